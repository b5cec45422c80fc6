package models

import (
	"sync"
	"testing"
	"time"
)

func allTokens(t *testing.T, s *Store) []OneTimeToken {
	t.Helper()
	var list []OneTimeToken
	requireNoError(t, s.conn(testContext(t)).Order("id").Find(&list).Error)
	return list
}

// Each attempt at a mail stores a token, which replaces those of earlier attempts.
func TestUpsertTokenReplacesTokensOfSameMailAndKey(t *testing.T) {
	t.Parallel()
	reset, verify := "reset", "verify"
	for _, row := range []struct {
		name string
		// Keys of Ada's existing tokens; the first token has the id of the new one.
		before    []*string
		key       *string
		remaining int
	}{
		{"no token", nil, &reset, 1},
		{"a token of the same mail", []*string{&reset}, &reset, 1},
		{"a token of the same mail with another key", []*string{&verify}, &reset, 1},
		{"a token of the same mail with another key, and one of another mail with the new key", []*string{&verify, &reset}, &reset, 1},
		{"a token with another key", []*string{&verify, nil}, &verify, 2},
		{"a token of the same mail without a key, now with one", []*string{nil}, &reset, 1},
		{"a token of the same mail with a key, now without", []*string{&reset}, nil, 1},
		{"other tokens without a key", []*string{nil, nil}, nil, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s *Store) {
				ctx := testContext(t)
				ada, bob := newID(), newID()
				requireNoError(t, s.insert(ctx, newToken(bob, "bob", &reset, moment.Add(time.Hour))))
				want := newToken(ada, "ada", row.key, moment.Add(time.Hour))
				want.Purpose = "new"
				for i, key := range row.before {
					old := newToken(ada, "old", key, moment)
					if i == 0 {
						old.ID = want.ID
					}
					requireNoError(t, s.insert(ctx, old))
				}
				requireNoError(t, s.Transaction(ctx, func(tx *Store) error { return tx.upsertToken(ctx, want) }))
				got, err := s.TokenByHash(ctx, want.Hash)
				requireNoError(t, err)
				if got.ID != want.ID || got.UserID != ada || got.Purpose != "new" || got.Email != "ada" || got.EmailKey != "ada" ||
					!got.ExpiresAt.Equal(want.ExpiresAt) || (got.SingletonKey == nil) != (want.SingletonKey == nil) || (got.SingletonKey != nil && *got.SingletonKey != *want.SingletonKey) {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
				if list := allTokens(t, s); len(list) != row.remaining+1 { // and Bob's token
					t.Errorf("got %d tokens, want %d: %+v", len(list), row.remaining+1, list)
				}
			})
		})
	}
}

// The first attempt stored a token of the account that had the address then. That account has
// another address now.
func TestUpsertTokenReplacesTokenOfPreviousAccount(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		key := "reset"
		first, second := newToken(newID(), "ada", &key, moment), newToken(newID(), "ada", &key, moment)
		second.ID = first.ID
		for _, token := range []*OneTimeToken{first, second} {
			requireNoError(t, s.Transaction(ctx, func(tx *Store) error { return tx.upsertToken(ctx, token) }))
		}
		if list := allTokens(t, s); len(list) != 1 || list[0].UserID != second.UserID {
			t.Errorf("got %+v, want the token of the second account", list)
		}
	})
}

func TestConcurrentUpsertTokenLeavesOneToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		ada, key := newID(), "reset"
		for range 3 { // the first round inserts the row
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					token := newToken(ada, "ada", &key, moment)
					if err := s.Transaction(ctx, func(tx *Store) error { return tx.upsertToken(ctx, token) }); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if list := allTokens(t, s); len(list) != 1 {
				t.Errorf("got %d tokens, want 1", len(list))
			}
		}
	})
}
