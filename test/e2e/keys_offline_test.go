//go:build exhaustive

package e2e

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
	"fieldgate/internal/npmtest"
)

// Another service verifies tokens in another language, with an independent JOSE library and only
// the JWK Set.
func TestAnotherServiceVerifiesTokensOffline(t *testing.T) {
	t.Parallel()
	verify := npmtest.InstallScript(t, "docs/verify", "verify.mjs")
	for _, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			key := newSigningKey(t, alg)
			b := boot(t, dbtest.SQLite(t), "JWT_SECRET", "", "JWT_PRIVATE_KEY_FILES", key.file, "JWT_AUDIENCE", "orders")
			p := b.NewUser("STAFF")
			p = b.newDevice(p, false).User // a new token, with the role STAFF
			header, claims := decodeToken(t, p.Token)
			parts := strings.Split(p.Token, ".")
			changed := func(o map[string]any, name string, value any) map[string]any {
				c := map[string]any{}
				for n, v := range o {
					c[n] = v
				}
				c[name] = value
				return c
			}
			b.Clock.Advance(-time.Hour)
			expired := b.newDevice(p, false).Token

			for _, row := range []struct {
				name, issuer, audience, token string
				refused                       string // part of the error; "": the token is valid
			}{
				{"valid", b.internal.Config.JWTIssuer, "orders", p.Token, ""},
				{
					"valid, signed by the test", b.internal.Config.JWTIssuer, "orders",
					key.signJWS(t, header, claims), "",
				},
				{
					"with another role", b.internal.Config.JWTIssuer, "orders",
					parts[0] + "." + encodeSegment(t, changed(claims, "role", "ADMIN")) + "." + parts[2],
					"ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
				},
				{"expired", b.internal.Config.JWTIssuer, "orders", expired, "ERR_JWT_EXPIRED"},
				{
					"of another audience", b.internal.Config.JWTIssuer, "invoices", p.Token,
					"ERR_JWT_CLAIM_VALIDATION_FAILED",
				},
				{"of another issuer", "https://id.example.com", "orders", p.Token, "ERR_JWT_CLAIM_VALIDATION_FAILED"},
				{
					"of another type", b.internal.Config.JWTIssuer, "orders",
					key.signJWS(t, changed(header, "typ", "JWT"), claims),
					"ERR_JWT_CLAIM_VALIDATION_FAILED",
				},
				{
					"of a key that is not in the set", b.internal.Config.JWTIssuer, "orders",
					key.signJWS(t, changed(header, "kid", "x"), claims), "ERR_JWKS_NO_MATCHING_KEY",
				},
				{
					"HS256 with the public key", b.internal.Config.JWTIssuer, "orders",
					hmacTokenWithPublicKey(t, key.publicPEM(t), header["kid"], claims),
					"ERR_JOSE_ALG_NOT_ALLOWED",
				},
				{
					"without a signature", b.internal.Config.JWTIssuer, "orders",
					encodeSegment(t, changed(header, "alg", "none")) + "." + parts[1] + ".",
					"ERR_JOSE_ALG_NOT_ALLOWED",
				},
			} {
				stdout, err := verify(b.URL+"/.well-known/jwks.json", row.issuer, row.audience, row.token)
				if row.refused != "" {
					if err == nil || !strings.Contains(err.Error(), row.refused) {
						t.Errorf("%s: %s%v, want %s", row.name, stdout, err, row.refused)
					}
					continue
				}
				var got map[string]any
				if err != nil || json.Unmarshal([]byte(stdout), &got) != nil || got["sub"] != p.ID || got["role"] != "STAFF" {
					t.Errorf("%s: %s%v", row.name, stdout, err)
				}
			}
		})
	}
	t.Run("a token signed with the secret is rejected", func(t *testing.T) {
		t.Parallel()
		b := boot(t, dbtest.SQLite(t))
		_, err := verify(b.URL+"/.well-known/jwks.json", b.internal.Config.JWTIssuer, b.internal.Config.JWTAudience, b.NewUser("USER").Token)
		if err == nil || !strings.Contains(err.Error(), "ERR_JOSE_ALG_NOT_ALLOWED") {
			t.Error(err)
		}
	})
}

// signJWS signs a header and claims without checking them (RFC 7515 section 5.1, RFC 7518 section
// 3).
func (k signingKey) signJWS(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	signed := encodeSegment(t, header) + "." + encodeSegment(t, claims)
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
