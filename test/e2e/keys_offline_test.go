//go:build exhaustive

package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

// Another service, in another language, with a JOSE library of other people, and nothing but the JWK Set.
func TestAnotherServiceVerifiesTokensOffline(t *testing.T) {
	t.Parallel()
	verify := installScript(t, "docs/verify", "verify.mjs")
	for _, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			key := newSigningKey(t, alg)
			b := boot(t, dbtest.SQLite(t), "JWT_SECRET", "", "JWT_PRIVATE_KEY_FILES", key.file, "JWT_AUDIENCE", "orders")
			p := b.newPerson("STAFF")
			p = b.newDevice(p, false).person // whose token has the role
			header, claims := unpack(t, p.token)
			parts := strings.Split(p.token, ".")
			changed := func(o map[string]any, name string, value any) map[string]any {
				c := map[string]any{}
				for n, v := range o {
					c[n] = v
				}
				c[name] = value
				return c
			}
			b.clock.advance(-time.Hour)
			expired := b.newDevice(p, false).token

			for _, row := range []struct {
				name, issuer, audience, token string
				refused                       string // contained in what it says; empty: it prints the claims
			}{
				{"good", b.JWTIssuer, "orders", p.token, ""},
				{"good, made again by the test", b.JWTIssuer, "orders", key.jws(t, header, claims), ""},
				{"with another role", b.JWTIssuer, "orders", parts[0] + "." + segment(t, changed(claims, "role", "ADMIN")) + "." + parts[2], "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"},
				{"expired", b.JWTIssuer, "orders", expired, "ERR_JWT_EXPIRED"},
				{"for another audience", b.JWTIssuer, "invoices", p.token, "ERR_JWT_CLAIM_VALIDATION_FAILED"},
				{"of another issuer", "https://id.example.com", "orders", p.token, "ERR_JWT_CLAIM_VALIDATION_FAILED"},
				{"of another type", b.JWTIssuer, "orders", key.jws(t, changed(header, "typ", "JWT"), claims), "ERR_JWT_CLAIM_VALIDATION_FAILED"},
				{"of a key that is not in the set", b.JWTIssuer, "orders", key.jws(t, changed(header, "kid", "x"), claims), "ERR_JWKS_NO_MATCHING_KEY"},
				{"HS256 with the public key", b.JWTIssuer, "orders", withPublicKeyAsSecret(t, key.publicPEM(t), header["kid"], claims), "ERR_JOSE_ALG_NOT_ALLOWED"},
				{"without a signature", b.JWTIssuer, "orders", segment(t, changed(header, "alg", "none")) + "." + parts[1] + ".", "ERR_JOSE_ALG_NOT_ALLOWED"},
			} {
				stdout, err := verify(b.url+"/.well-known/jwks.json", row.issuer, row.audience, row.token)
				if row.refused != "" {
					if err == nil || !strings.Contains(err.Error(), row.refused) {
						t.Errorf("%s: %s%v, want %s", row.name, stdout, err, row.refused)
					}
					continue
				}
				var got map[string]any
				if err != nil || json.Unmarshal([]byte(stdout), &got) != nil || got["sub"] != p.id || got["role"] != "STAFF" {
					t.Errorf("%s: %s%v", row.name, stdout, err)
				}
			}
		})
	}
	t.Run("a secret's token is not for others", func(t *testing.T) {
		t.Parallel()
		b := boot(t, dbtest.SQLite(t))
		_, err := verify(b.url+"/.well-known/jwks.json", b.JWTIssuer, b.JWTAudience, b.newPerson("USER").token)
		if err == nil || !strings.Contains(err.Error(), "ERR_JOSE_ALG_NOT_ALLOWED") {
			t.Error(err)
		}
	})
}

// jws signs a header and claims, whatever they say (RFC 7515 section 5.1, RFC 7518 section 3).
func (k signingKey) jws(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	signed := segment(t, header) + "." + segment(t, claims)
	sum := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch private := k.Signer.(type) {
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, []byte(signed))
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, private, sum[:])
		signature, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), e
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
