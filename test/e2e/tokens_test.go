package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// tokenForgery makes tokens from a token of the server: signed with its key, with changed members.
type tokenForgery struct {
	header, claims map[string]any
}

func newForgery(t *testing.T, token string) tokenForgery {
	t.Helper()
	var f tokenForgery
	for i, part := range strings.Split(token, ".")[:2] {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, []*map[string]any{&f.header, &f.claims}[i]); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// sign returns the token with members of the header or the claims set, or removed if the value is
// nil.
func (f tokenForgery) sign(header, claims map[string]any) string {
	part := func(original, changes map[string]any) string {
		m := maps.Clone(original)
		for name, v := range changes {
			if m[name] = v; v == nil {
				delete(m, name)
			}
		}
		b, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(f.header, header) + "." + part(f.claims, claims)
	mac := hmac.New(sha256.New, []byte(servertest.Secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// TestForgedTokensAreRejected checks that an invalid token is rejected with its reason at a gated
// field, does not affect a public field and causes no server error. Package auth tests more tokens;
// this test checks what a client sees.
func TestForgedTokensAreRejected(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		f := newForgery(t, p.Token)
		now := float64(time.Now().Unix())
		head, claims, signature := tokenPart(p.Token, 0), tokenPart(p.Token, 1), tokenPart(p.Token, 2)
		header := func(name string, v any) string { return f.sign(map[string]any{name: v}, nil) }
		claim := func(name string, v any) string { return f.sign(nil, map[string]any{name: v}) }
		elsewhere := boot(t, databaseURL, "PUBLIC_URL", "https://elsewhere.example")
		stranger := boot(t, dbtest.SQLite(t), "JWT_SECRET", "another-Key-of-enough-bytes-0123456789abcdef")
		if got := b.Query(&servertest.User{Token: f.sign(nil, nil)}, `{ me { id } }`); got.At("me.id") != p.ID {
			t.Fatalf("an unchanged forgery is rejected: %s", got.Body)
		}
		for _, row := range []struct{ name, token, reason string }{
			{"no algorithm", header("alg", "none"), "invalid"},
			{"no algorithm, in mixed case", header("alg", "nOnE"), "invalid"},
			{"no algorithm and no signature", strings.TrimSuffix(header("alg", "none"), tokenPart(header("alg", "none"), 2)), "invalid"},
			{"another algorithm of the family", header("alg", "HS512"), "invalid"},
			{"an algorithm of another family", header("alg", "RS256"), "invalid"},
			{"an unknown key ID", header("kid", "x"), "invalid"},
			{"a path as key ID", header("kid", "../../../dev/null"), "invalid"},
			{"SQL as key ID", header("kid", "' OR 1=1 --"), "invalid"},
			{"an empty key ID", header("kid", ""), "invalid"},
			{"a number as key ID", header("kid", 0), "invalid"},
			{"no key ID", header("kid", nil), "invalid"},
			{"an embedded key", header("jwk", map[string]any{"kty": "oct", "k": "AA"}), "invalid"},
			{"a key URL", header("jku", b.URL+"/.well-known/jwks.json"), "invalid"},
			{"a certificate URL", header("x5u", b.URL), "invalid"},
			{"a certificate", header("x5c", []string{"AA"}), "invalid"},
			{"a critical extension", header("crit", []string{"exp"}), "invalid"},
			{"compressed", header("zip", "DEF"), "invalid"},
			{"an unencoded payload", header("b64", false), "invalid"},
			{"another type", header("typ", "JWT"), "invalid"},
			{"no type", header("typ", nil), "invalid"},
			{"no expiry", claim("exp", nil), "invalid"},
			{"an expiry as a string", claim("exp", "9999999999"), "invalid"},
			{"an expiry under another name", f.sign(nil, map[string]any{"exp": nil, "Exp": now + 60}), "invalid"},
			{"an expiry of zero", claim("exp", 0), "invalid"},
			{"a negative expiry", claim("exp", -1), "invalid"},
			{"an expiry in the far future", claim("exp", 1e18), "invalid"},
			{"a fractional expiry", claim("exp", now+60.5), "invalid"},
			{"an expiry beyond the maximum lifetime", claim("exp", now+2*3600), "invalid"},
			{"an expiry in the past", f.sign(nil, map[string]any{"exp": now - 1, "iat": now - 60, "nbf": now - 60}), "expired"},
			{"not valid yet", claim("nbf", now+60), "invalid"},
			{"issued in the future", f.sign(nil, map[string]any{"iat": now + 60, "exp": now + 120}), "invalid"},
			{"another issuer", claim("iss", "https://evil.example"), "invalid"},
			{"no issuer", claim("iss", nil), "invalid"},
			{"another audience", claim("aud", "https://evil.example"), "invalid"},
			{"no audience", claim("aud", nil), "invalid"},
			{"an unknown role", claim("role", "GOD"), "invalid"},
			{"no subject", claim("sub", nil), "invalid"},
			{"no session", claim("sid", nil), "invalid"},
			{"an unknown session", claim("sid", "01a2027b-72e4-7b47-a427-0cc080f605d1"), "revoked"},
			{"SQL as session", claim("sid", "' OR 1=1 --"), "revoked"},
			{"another user's session", claim("sub", "01a2027b-72e4-7b47-a427-0cc080f605d1"), "revoked"},
			{"another deployment with the same key", elsewhere.NewUser("USER").Token, "invalid"},
			{"another deployment's key", stranger.NewUser("USER").Token, "invalid"},
			{"two parts", head + "." + claims, "invalid"},
			{"four parts", p.Token + "." + signature, "invalid"},
			{"five parts", p.Token + "..", "invalid"},
			{"unused bits in the last character", p.Token[:len(p.Token)-1] + nextLetter(p.Token[len(p.Token)-1]), "invalid"},
			{"padding", p.Token + "=", "invalid"},
			{"a space inside", head + " ." + claims + "." + signature, "invalid"},
			{"only dots", strings.Repeat(".", 10_000), "invalid"},
			{"a refresh token", b.newDevice(p, false).refresh, "invalid"},
		} {
			t.Run(row.name, func(t *testing.T) {
				got := b.Query(&servertest.User{Token: row.token}, `{ me { id } __typename }`)
				wantCodes(t, got, "me UNAUTHENTICATED")
				if got.Errors[0].Extensions["reason"] != row.reason || got.At("__typename") != "Query" || got.Status != http.StatusOK {
					t.Errorf("want the reason %s: %s", row.reason, got.Body)
				}
			})
		}
		t.Run("an invalid token does not prevent a sign-in, a refresh or a logout", func(t *testing.T) {
			for _, token := range []string{"x.y.z", header("alg", "none"), claim("exp", now-1)} {
				d := b.newDevice(p, false)
				bad := &servertest.User{Token: token}
				b.Query(bad, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { tokenType } }`, "e", p.Email, "p", p.Password).Must()
				next := b.Query(bad, refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken")
				if got := b.Query(bad, `mutation($t: String) { logout(refreshToken: $t) }`, "t", next).Must(); got.At("logout") != true {
					t.Error(got.Body)
				}
			}
		})
	})
}

func tokenPart(token string, i int) string { return strings.Split(token, ".")[i] }

// nextLetter differs from c only in bits that base64url of 32 bytes does not use.
func nextLetter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}
