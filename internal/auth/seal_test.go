package auth

import (
	"strings"
	"testing"
	"time"
)

// Servers with the same private key open each other's seals, for each type of key. A secret
// configured beside the key opens older seals.
func TestSealOpensUnderEachConfiguredKey(t *testing.T) {
	t.Parallel()
	key := func() PrivateKey {
		keys, err := ParsePrivateKeys([]KeyFile{{Name: "a", PEM: NewPrivateKey()}})
		if err != nil {
			t.Fatal(err)
		}
		return keys[0]
	}
	tokens := func(private []PrivateKey, secrets ...string) *Tokens {
		tokens, err := NewTokens(TokenConfig{
			PrivateKeys: private, Secrets: secrets, Issuer: "i", Audience: "a", TTL: time.Minute, KnownRole: func(string) bool { return true }, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	secret, private, other := strings.Repeat("s", 32), key(), key()
	before, after := tokens(nil, secret), tokens([]PrivateKey{private}, secret)
	for _, row := range []struct {
		name         string
		sealed, open *Tokens
		want         bool
	}{
		{"the same private key", after, tokens([]PrivateKey{private}), true},
		{"another private key", after, tokens([]PrivateKey{other}), false},
		{"a private key after another", after, tokens([]PrivateKey{other, private}), true},
		{"a secret beside a private key", before, after, true},
		{"a removed secret", before, tokens([]PrivateKey{private}), false},
	} {
		for _, text := range []string{"", "x", strings.Repeat("x", 19), strings.Repeat("\x01", 20), "x\x00"} {
			got, ok := row.open.Open("purpose", row.sealed.Seal("purpose", []byte(text)))
			if ok != row.want || ok && string(got) != text {
				t.Errorf("%s: sealed %q, got %q, %t, want opened: %t", row.name, text, got, ok, row.want)
			}
		}
	}
	if _, ok := before.Open("another purpose", before.Seal("purpose", []byte("x"))); ok {
		t.Error("a seal opens for another purpose")
	}
}
