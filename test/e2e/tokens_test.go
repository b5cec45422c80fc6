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

// tokenForgery makes tokens like the server's own, from one of them: with its key, and something changed.
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

// mailsWith returns the token with members of the header or the claims set, or taken out where the value is nil.
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

// Whatever is wrong with a token, a gated field is refused with the reason, a public one works, and it is never the
// server that fails. The same table in package auth goes further; this one is what a client sees.
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
			t.Fatalf("the forgery itself is no good: %s", got.Body)
		}
		for _, row := range []struct{ name, token, reason string }{
			{"no algorithm", header("alg", "none"), "invalid"},
			{"no algorithm, in other letters", header("alg", "nOnE"), "invalid"},
			{"no algorithm and no signature", strings.TrimSuffix(header("alg", "none"), tokenPart(header("alg", "none"), 2)), "invalid"},
			{"another algorithm of the family", header("alg", "HS512"), "invalid"},
			{"an algorithm of another family", header("alg", "RS256"), "invalid"},
			{"an unknown key", header("kid", "x"), "invalid"},
			{"a path for a key", header("kid", "../../../dev/null"), "invalid"},
			{"SQL for a key", header("kid", "' OR 1=1 --"), "invalid"},
			{"an empty key", header("kid", ""), "invalid"},
			{"a number for a key", header("kid", 0), "invalid"},
			{"no key", header("kid", nil), "invalid"},
			{"a key of its own", header("jwk", map[string]any{"kty": "oct", "k": "AA"}), "invalid"},
			{"the address of a key", header("jku", b.URL+"/.well-known/jwks.json"), "invalid"},
			{"the address of a certificate", header("x5u", b.URL), "invalid"},
			{"a certificate", header("x5c", []string{"AA"}), "invalid"},
			{"something critical", header("crit", []string{"exp"}), "invalid"},
			{"compressed", header("zip", "DEF"), "invalid"},
			{"not encoded", header("b64", false), "invalid"},
			{"another kind of token", header("typ", "JWT"), "invalid"},
			{"no kind", header("typ", nil), "invalid"},
			{"no end", claim("exp", nil), "invalid"},
			{"an end in words", claim("exp", "9999999999"), "invalid"},
			{"an end under another name", f.sign(nil, map[string]any{"exp": nil, "Exp": now + 60}), "invalid"},
			{"an end of zero", claim("exp", 0), "invalid"},
			{"an end before the beginning", claim("exp", -1), "invalid"},
			{"an end that never comes", claim("exp", 1e18), "invalid"},
			{"an end between two seconds", claim("exp", now+60.5), "invalid"},
			{"an end that is far", claim("exp", now+2*3600), "invalid"},
			{"an end that has come", f.sign(nil, map[string]any{"exp": now - 1, "iat": now - 60, "nbf": now - 60}), "expired"},
			{"not valid yet", claim("nbf", now+60), "invalid"},
			{"made in the future", f.sign(nil, map[string]any{"iat": now + 60, "exp": now + 120}), "invalid"},
			{"another issuer", claim("iss", "https://evil.example"), "invalid"},
			{"no issuer", claim("iss", nil), "invalid"},
			{"another audience", claim("aud", "https://evil.example"), "invalid"},
			{"no audience", claim("aud", nil), "invalid"},
			{"a role that there is not", claim("role", "GOD"), "invalid"},
			{"nobody", claim("sub", nil), "invalid"},
			{"no session", claim("sid", nil), "invalid"},
			{"a session that there is not", claim("sid", "01a2027b-72e4-7b47-a427-0cc080f605d1"), "revoked"},
			{"SQL for a session", claim("sid", "' OR 1=1 --"), "revoked"},
			{"somebody else's session", claim("sub", "01a2027b-72e4-7b47-a427-0cc080f605d1"), "revoked"},
			{"another's deployment with the same key", elsewhere.NewUser("USER").Token, "invalid"},
			{"a stranger's key", stranger.NewUser("USER").Token, "invalid"},
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
		t.Run("none of them stops a sign-in, a refresh or a logout", func(t *testing.T) {
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

// nextLetter differs from c in bits that 32 bytes in base64url do not use.
func nextLetter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}
