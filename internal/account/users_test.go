package account

import (
	"strings"
	"testing"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/models"
)

const someID = "01a2027b-72e4-7b47-a427-0cc080f605d1"

// newTokens returns Tokens that sign and seal with these secrets.
func newTokens(t *testing.T, secrets ...string) *auth.Tokens {
	t.Helper()
	tokens, err := auth.NewTokens(auth.TokenConfig{
		Secrets: secrets, Issuer: "issuer", Audience: "audience", TTL: time.Minute, KnownRole: func(string) bool { return true }, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

var secret = strings.Repeat("s", 32)

func TestCursorRoundTrips(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, prefix string
		cursor       models.Cursor
	}{
		{"the beginning", "", models.Cursor{}},
		{"the beginning of a search", "a", models.Cursor{}},
		{"among all", "", models.Cursor{ID: someID}},
		{"found by name", "ad", models.Cursor{ID: someID, Key: "ada 😀 lovelace"}},
		{"found by the whole name", "ada", models.Cursor{ID: someID, Key: "ada"}},
		{"found by address", "ad", models.Cursor{Key: "ada@example.com", ByEmail: true}},
		{"with the longest key", "a", models.Cursor{ID: someID, Key: strings.Repeat("\U00020BB7", 100)}},
		{"with a key that ends like the padding", "a", models.Cursor{Key: "a\x01\x00", ByEmail: true}},
	} {
		cursors := userCursors{tokens: newTokens(t, secret), name: row.prefix, email: row.prefix}
		var check inputCheck
		if got := cursors.parse(&check, "after", cursors.seal(row.cursor)); check.err() != nil || got != row.cursor {
			t.Errorf("%s: %+v, %v", row.name, got, check.err())
		}
	}
}

func TestCursorHidesKeyAndLength(t *testing.T) {
	t.Parallel()
	cursors := userCursors{tokens: newTokens(t, secret), name: "a", email: "a"}
	short := cursors.seal(models.Cursor{Key: "ada@example.com", ByEmail: true})
	if again := cursors.seal(models.Cursor{Key: "ada@example.com", ByEmail: true}); again != short {
		t.Errorf("the same position has two cursors: %q and %q", short, again)
	}
	if long := cursors.seal(models.Cursor{Key: "adam@example.com", ByEmail: true}); len(long) != len(short) {
		t.Errorf("one more letter makes a longer cursor: %q and %q", short, long)
	}
}

func TestCursorOpensOnlyForItsSearch(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, secret)
	made := userCursors{tokens: tokens, name: "ad", email: "ad"}
	cursor := made.seal(models.Cursor{Key: "ada@example.com", ByEmail: true})
	for name, other := range map[string]userCursors{
		"another search":                         {tokens: tokens, name: "b", email: "b"},
		"a longer search":                        {tokens: tokens, name: "ada", email: "ada"},
		"the list of all accounts":               {tokens: tokens},
		"a search for another form of addresses": {tokens: tokens, name: "ad", email: "xn--ad"},
		"the same search for names only":         {tokens: tokens, name: "ad", email: "ad", namesOnly: true},
		"a server with another key":              {tokens: newTokens(t, strings.Repeat("x", 32)), name: "ad", email: "ad"},
	} {
		if c, ok := other.open(cursor); ok {
			t.Errorf("%s: %+v", name, c)
		}
	}
	var check inputCheck
	if (auditCursors{tokens}).parse(&check, "after", cursor); check.err() == nil {
		t.Error("the audit log accepts a cursor of users")
	}
	rotated := userCursors{tokens: newTokens(t, strings.Repeat("x", 32), secret), name: "ad", email: "ad"}
	if c, ok := rotated.open(cursor); !ok || c.Key != "ada@example.com" {
		t.Errorf("after a rotation of the key: %+v, %t", c, ok)
	}
}

func TestAlteredCursorIsRejected(t *testing.T) {
	t.Parallel()
	cursors := userCursors{tokens: newTokens(t, secret), name: "a", email: "a"}
	good := cursors.seal(models.Cursor{ID: someID, Key: "ada"})
	altered := []string{"x", "!", "=", good + "A", good + "AAAA", good + "=", good[:10] + "\n" + good[10:], " " + good, good + good, strings.Repeat("A", 10_000)}
	for i := range good {
		altered = append(altered, good[:i], good[:i]+good[i+1:])
		for _, letter := range "Aa0-_.+/" {
			if other := good[:i] + string(letter) + good[i+1:]; other != good {
				altered = append(altered, other)
			}
		}
	}
	for _, cursor := range altered {
		if cursor == "" {
			continue
		}
		var check inputCheck
		if c := cursors.parse(&check, "before", cursor); check.err() == nil {
			t.Errorf("altered cursor %q opens as %+v", cursor, c)
		}
	}
}
