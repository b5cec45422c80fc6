package auth

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// A cached token's expiry is checked each time, and only a token with the same bytes matches.
func TestCachedTokensAreCheckedAgainstTheClock(t *testing.T) {
	t.Parallel()
	clock := now
	tokens := newTestTokens(t, func(c *TokenConfig) { c.Now = func() time.Time { return clock } })
	made := issueToken(t, tokens)
	altered := []byte(made)
	altered[len(altered)-2]++ // the last character may have unused bits

	for _, row := range []struct {
		name  string
		token string
		after time.Duration
		want  Reason // "" if valid
	}{
		{"the first time", made, 0, ""},
		{"the second time", made, 0, ""},
		{"altered by one character", string(altered), 0, Invalid},
		{"cut short by one character", made[:len(made)-1], 0, Invalid},
		{"longer by one character", made + "A", 0, Invalid},
		{"in its last second", made, 15*time.Minute - time.Second, ""},
		{"in the second in which it expires", made, 15 * time.Minute, Expired},
		{"after it has expired", made, time.Hour, Expired},
		{"after the clock was set back", made, time.Minute, ""},
		{"before it was issued", made, -time.Minute, Invalid},
	} {
		clock = now.Add(row.after)
		claims, err := tokens.Verify(row.token)
		if row.want == "" && (err != nil || claims.SessionID != "session-1" || claims.Subject != "user-1") {
			t.Errorf("%s: got claims %v, error %v", row.name, claims, err)
		}
		if row.want != "" && reasonOf(err) != row.want {
			t.Errorf("%s: got %v, want reason %s", row.name, err, row.want)
		}
	}
}

func TestTokenCacheIsBounded(t *testing.T) {
	t.Parallel()
	const few = 5
	tokens := newTestTokens(t)
	tokens.cache = newTokenCache(few)
	for range 2 * few {
		if _, err := tokens.Verify(issueToken(t, tokens)); err != nil {
			t.Fatal(err)
		}
	}
	if n := tokens.cache.claims.Len(); n != few {
		t.Errorf("got %d cached tokens, want %d", n, few)
	}
	refused := newTestTokens(t, func(c *TokenConfig) { c.Secrets = []string{foreignSecret} })
	if _, err := tokens.Verify(issueToken(t, refused)); reasonOf(err) != Invalid {
		t.Errorf("another deployment's token: got %v, want reason Invalid", err)
	}
	empty := newTestTokens(t)
	if _, err := empty.Verify(issueToken(t, refused)); err == nil || empty.cache.claims.Len() != 0 {
		t.Errorf("got %d rejected tokens in the cache, want 0", empty.cache.claims.Len())
	}
}

func TestVerifyIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	tokens := newTestTokens(t)
	made := []string{issueToken(t, tokens), issueToken(t, tokens)}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 100 {
				if _, err := tokens.Verify(made[i%2]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// reasonOf returns the reason of an UnauthenticatedError, and "" for other errors and nil.
func reasonOf(err error) Reason {
	if refused := (*UnauthenticatedError)(nil); errors.As(err, &refused) {
		return refused.Reason
	}
	return ""
}
