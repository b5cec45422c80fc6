package auth

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"strings"
	"testing"
	"time"

	"fieldgate/models"
)

const (
	secret        = "the-first-secret-of-this-deployment"
	oldSecret     = "the-secret-that-has-been-rotated-away"
	foreignSecret = "the-secret-of-some-other-deployment"
	issuer        = "https://api.example.com"
	audience      = "https://app.example.com"
)

// now lies within a second, as most times do.
var now = time.Date(2026, 3, 1, 12, 0, 0, 700_000_000, time.UTC)

func newTestTokens(t testing.TB, change ...func(*TokenConfig)) *Tokens {
	t.Helper()
	c := TokenConfig{
		Secrets: []string{secret, oldSecret}, Issuer: issuer, Audience: audience, TTL: 15 * time.Minute,
		KnownRole: func(role string) bool { return role == "USER" || role == "ADMIN" },
		Now:       func() time.Time { return now },
	}
	for _, f := range change {
		f(&c)
	}
	tokens, err := NewTokens(c)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func testSession() *models.Session {
	return &models.Session{ID: "session-1", UserID: "user-1", User: &models.User{ID: "user-1", Role: "USER"}}
}

func issueToken(t testing.TB, tokens *Tokens) string {
	t.Helper()
	token, _, err := tokens.Issue(testSession())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// object is a JSON object for a test to change. The tests build tokens by hand, so that the code
// under test does not verify itself.
type object map[string]any

func (o object) with(name string, value any) object {
	o = maps.Clone(o)
	o[name] = value
	return o
}

func (o object) without(name string) object {
	o = maps.Clone(o)
	delete(o, name)
	return o
}

func (o object) json() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func goodHeader() object {
	return object{"alg": "HS256", "kid": hmacKeyID(secret), "typ": "at+jwt"}
}

func goodClaims() object {
	at := now.Unix()
	return object{
		"iss": issuer, "aud": audience, "sub": "user-1", "sid": "session-1", "role": "USER",
		"iat": at, "nbf": at, "exp": at + 900, "jti": "token-1",
	}
}

func encodeSegment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func hmacSign(newHash func() hash.Hash, key, signed string) string {
	mac := hmac.New(newHash, []byte(key))
	mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// signedToken returns a token with a valid signature.
func signedToken(header, claims string) string {
	signed := encodeSegment(header) + "." + encodeSegment(claims)
	return signed + "." + hmacSign(sha256.New, secret, signed)
}

func tokenWithClaims(o object) string { return signedToken(goodHeader().json(), o.json()) }
func tokenWithHeader(o object) string { return signedToken(o.json(), goodClaims().json()) }

// tokenReplacing returns a signed token with a text replaced in its claims, where a map is not
// enough.
func tokenReplacing(t testing.TB, old, replacement string) string {
	t.Helper()
	text := goodClaims().json()
	if strings.Count(text, old) != 1 {
		t.Fatalf("got another count of %s in %s, want 1", old, text)
	}
	return signedToken(goodHeader().json(), strings.Replace(text, old, replacement, 1))
}

// setUnusedBit sets the lowest unused bit of the last base64url character.
func setUnusedBit(t testing.TB, s string) string {
	t.Helper()
	if len(s)%4 == 0 {
		t.Fatalf("%s has no unused bits", s)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + alphabet[last|1:][:1]
}

func rsaToken(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signed := encodeSegment(goodHeader().with("alg", "RS256").json()) + "." + encodeSegment(goodClaims().json())
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestVerifyAcceptsOnlyValidTokens(t *testing.T) {
	t.Parallel()
	const good = Reason("")
	tokens := newTestTokens(t)
	at := now.Unix()
	exp, iat := fmt.Sprintf(`"exp":%d`, at+900), fmt.Sprintf(`"iat":%d`, at)
	h, c := goodHeader(), goodClaims()
	whole := tokenWithClaims(c)
	head, rest, _ := strings.Cut(whole, ".")
	body, signature, _ := strings.Cut(rest, ".")
	resigned := func(alg string, newHash func() hash.Hash) string {
		signed := encodeSegment(h.with("alg", alg).json()) + "." + body
		return signed + "." + hmacSign(newHash, secret, signed)
	}
	signedBy := func(key string) string {
		signed := encodeSegment(h.with("kid", hmacKeyID(key)).json()) + "." + body
		return signed + "." + hmacSign(sha256.New, key, signed)
	}

	for _, tt := range []struct {
		name  string
		token string
		want  Reason
	}{
		{"built by hand like an issued one", whole, good},
		{"signed by the rotated key", signedBy(oldSecret), good},
		{"with an unknown claim", tokenWithClaims(c.with("tenant", []any{1, object{"exp": 0}})), good},
		{"with its claims laid out in lines", signedToken(h.json(), "\r\n"+strings.ReplaceAll(c.json(), `,`, "\t,\n ")+" "), good},
		{"another role", tokenWithClaims(c.with("role", "ADMIN")), good},

		// The algorithm
		{"alg none, no signature", encodeSegment(h.with("alg", "none").json()) + "." + body + ".", Invalid},
		{"alg none, with a signature", tokenWithHeader(h.with("alg", "none")), Invalid},
		{"alg None", encodeSegment(h.with("alg", "None").json()) + "." + body + ".", Invalid},
		{"alg NONE", encodeSegment(h.with("alg", "NONE").json()) + "." + body + ".", Invalid},
		{"alg nOnE", encodeSegment(h.with("alg", "nOnE").json()) + "." + body + ".", Invalid},
		{"alg empty", tokenWithHeader(h.with("alg", "")), Invalid},
		{"alg missing", tokenWithHeader(h.without("alg")), Invalid},
		{"alg a number", tokenWithHeader(h.with("alg", 256)), Invalid},
		{"alg a list", tokenWithHeader(h.with("alg", []string{"HS256"})), Invalid},
		{"alg in another case", tokenWithHeader(h.with("alg", "hs256")), Invalid},
		{"HS384 with our secret", resigned("HS384", sha512.New384), Invalid},
		{"HS512 with our secret", resigned("HS512", sha512.New), Invalid},
		{"RS256 by an unknown key", rsaToken(t), Invalid},
		{"RS256 in the header, signed with HS256", tokenWithHeader(h.with("alg", "RS256")), Invalid},
		{"ES256 in the header, signed with HS256", tokenWithHeader(h.with("alg", "ES256")), Invalid},
		{"EdDSA in the header, signed with HS256", tokenWithHeader(h.with("alg", "EdDSA")), Invalid},

		// The key
		{"kid missing", tokenWithHeader(h.without("kid")), Invalid},
		{"kid empty", tokenWithHeader(h.with("kid", "")), Invalid},
		{"kid null", tokenWithHeader(h.with("kid", nil)), Invalid},
		{"kid a number", tokenWithHeader(h.with("kid", 1)), Invalid},
		{"kid a list", tokenWithHeader(h.with("kid", []string{hmacKeyID(secret)})), Invalid},
		{"kid a path", tokenWithHeader(h.with("kid", "../../../../dev/null")), Invalid},
		{"kid SQL", tokenWithHeader(h.with("kid", "x' UNION SELECT 'secret' -- ")), Invalid},
		{"kid a URL", tokenWithHeader(h.with("kid", "https://evil.example/key")), Invalid},
		{"kid huge", tokenWithHeader(h.with("kid", strings.Repeat("k", 2000))), Invalid},
		{"kid with a trailing NUL", tokenWithHeader(h.with("kid", hmacKeyID(secret)+"\x00")), Invalid},
		{"kid of the other key", tokenWithHeader(h.with("kid", hmacKeyID(oldSecret))), Invalid},
		{"another deployment's key under its kid", signedBy(foreignSecret), Invalid},
		{"another deployment's key under our kid", head + "." + body + "." + hmacSign(sha256.New, foreignSecret, head+"."+body), Invalid},
		{"signed with an empty key", head + "." + body + "." + hmacSign(sha256.New, "", head+"."+body), Invalid},
		{"signed with the kid", head + "." + body + "." + hmacSign(sha256.New, hmacKeyID(secret), head+"."+body), Invalid},

		// The rest of the header
		{"jwk", tokenWithHeader(h.with("jwk", object{"kty": "oct", "k": encodeSegment(secret)})), Invalid},
		{"jku", tokenWithHeader(h.with("jku", "https://evil.example/jwks.json")), Invalid},
		{"x5u", tokenWithHeader(h.with("x5u", "https://evil.example/cert.pem")), Invalid},
		{"x5c", tokenWithHeader(h.with("x5c", []string{"MIIB"})), Invalid},
		{"x5t", tokenWithHeader(h.with("x5t", "dGh1bWI")), Invalid},
		{"crit", tokenWithHeader(h.with("crit", []string{"exp"})), Invalid},
		{"crit empty", tokenWithHeader(h.with("crit", []string{})), Invalid},
		{"zip", tokenWithHeader(h.with("zip", "DEF")), Invalid},
		{"b64", tokenWithHeader(h.with("b64", false)), Invalid},
		{"cty", tokenWithHeader(h.with("cty", "JWT")), Invalid},
		{"exp in the header", tokenWithHeader(h.with("exp", at+900)), Invalid},
		{"an unknown header parameter", tokenWithHeader(h.with("x", nil)), Invalid},
		{"typ missing", tokenWithHeader(h.without("typ")), Invalid},
		{"typ missing, cty in its place", tokenWithHeader(h.without("typ").with("cty", "at+jwt")), Invalid},
		{"typ JWT", tokenWithHeader(h.with("typ", "JWT")), Invalid},
		{"typ of a refresh token", tokenWithHeader(h.with("typ", "rt+jwt")), Invalid},
		{"typ in another case", tokenWithHeader(h.with("typ", "AT+JWT")), Invalid},
		{"typ as a media type", tokenWithHeader(h.with("typ", "application/at+jwt")), Invalid},
		{"typ a number", tokenWithHeader(h.with("typ", 1)), Invalid},
		{"typ an object", tokenWithHeader(h.with("typ", object{})), Invalid},
		{"Typ in place of typ", tokenWithHeader(h.without("typ").with("Typ", "at+jwt")), Invalid},
		{"a header that is a list", signedToken(`["HS256"]`, c.json()), Invalid},
		{"a header that is null", signedToken(`null`, c.json()), Invalid},
		{"a truncated header", signedToken(h.json()[:10], c.json()), Invalid},
		{"a header with trailing data", signedToken(h.json()+"{}", c.json()), Invalid},

		// The time
		{"a second before it expires", tokenWithClaims(c.with("iat", at-899).with("nbf", at-899).with("exp", at+1)), good},
		{"in the second in which it expires", tokenWithClaims(c.with("iat", at-900).with("nbf", at-900).with("exp", at)), Expired},
		{"a second after", tokenWithClaims(c.with("iat", at-900).with("nbf", at-900).with("exp", at-1)), Expired},
		{"long after", tokenWithClaims(c.with("iat", int64(1)).with("nbf", int64(1)).with("exp", int64(2))), Expired},
		{"exp missing", tokenWithClaims(c.without("exp")), Invalid},
		{"exp null", tokenWithClaims(c.with("exp", nil)), Invalid},
		{"exp a string", tokenReplacing(t, exp, strings.Replace(exp, ":", `:"`, 1)+`"`), Invalid},
		{"exp named Exp", tokenWithClaims(c.without("exp").with("Exp", at+900)), Invalid},
		{"exp named EXP", tokenWithClaims(c.without("exp").with("EXP", at+900)), Invalid},
		{"exp beside an Exp", tokenWithClaims(c.with("Exp", at+900)), Invalid},
		{"sub with a letter that folds to s", tokenWithClaims(c.without("sub").with("\u017fub", "user-1")), Invalid},
		{"a name in a value", tokenWithClaims(c.with("jti", `"exp":1,"Exp`)), good},
		{"names of claims further down", tokenWithClaims(c.with("a", []any{object{"exp": 1, "Exp": 2}, "exp"})), good},
		{"space between a name and its colon", tokenReplacing(t, `"exp":`, "\"exp\" \r\n\t:"), good},
		{"exp escaped", tokenReplacing(t, `"exp"`, `"\u0065xp"`), Invalid},
		{"exp 0", tokenWithClaims(c.with("exp", 0)), Invalid},
		{"exp negative", tokenWithClaims(c.with("exp", -at)), Invalid},
		{"exp 1e18", tokenReplacing(t, exp, `"exp":1e18`), Invalid},
		{"exp 10¹⁸", tokenReplacing(t, exp, `"exp":1000000000000000000`), Invalid},
		{"exp the largest int64", tokenReplacing(t, exp, `"exp":9223372036854775807`), Invalid},
		{"exp larger", tokenReplacing(t, exp, `"exp":9223372036854775808`), Invalid},
		{"exp with a fraction", tokenReplacing(t, exp, exp+".5"), Invalid},
		{"exp with a point", tokenReplacing(t, exp, exp+".0"), Invalid},
		{"exp a list", tokenWithClaims(c.with("exp", []int64{at + 900})), Invalid},
		{"exp an object", tokenWithClaims(c.with("exp", object{"exp": at + 900})), Invalid},
		{"exp true", tokenWithClaims(c.with("exp", true)), Invalid},
		{"exp in milliseconds", tokenWithClaims(c.with("exp", (at+900)*1000)), Invalid},
		{"exp before iat", tokenWithClaims(c.with("iat", at).with("exp", at-1)), Invalid},
		{"exp at iat", tokenWithClaims(c.with("iat", at-1).with("nbf", at-1).with("exp", at-1)), Invalid},
		{"living an hour", tokenWithClaims(c.with("exp", at+3600)), good},
		{"living a second more", tokenWithClaims(c.with("exp", at+3601)), Invalid},
		{"having lived more than an hour", tokenWithClaims(c.with("iat", at-3601).with("nbf", at-3601).with("exp", at)), Invalid},
		{"iat ahead by the leeway", tokenWithClaims(c.with("iat", at+10)), good},
		{"iat one second further ahead", tokenWithClaims(c.with("iat", at+11)), Invalid},
		{"iat missing", tokenWithClaims(c.without("iat")), Invalid},
		{"iat null", tokenWithClaims(c.with("iat", nil)), Invalid},
		{"iat 0", tokenWithClaims(c.with("iat", 0)), Invalid},
		{"iat a string", tokenReplacing(t, iat, strings.Replace(iat, ":", `:"`, 1)+`"`), Invalid},
		{"iat and exp the smallest and the largest", tokenReplacing(t, iat, `"iat":-9223372036854775808`), Invalid},
		{"nbf ahead by the leeway", tokenWithClaims(c.with("nbf", at+10)), good},
		{"nbf one second further ahead", tokenWithClaims(c.with("nbf", at+11)), Invalid},
		{"nbf missing", tokenWithClaims(c.without("nbf")), Invalid},
		{"nbf null", tokenWithClaims(c.with("nbf", nil)), Invalid},
		{"nbf 0", tokenWithClaims(c.with("nbf", 0)), Invalid},
		{"nbf negative", tokenWithClaims(c.with("nbf", -1)), Invalid},

		// The issuer, audience, session and role
		{"iss missing", tokenWithClaims(c.without("iss")), Invalid},
		{"iss empty", tokenWithClaims(c.with("iss", "")), Invalid},
		{"iss null", tokenWithClaims(c.with("iss", nil)), Invalid},
		{"iss another deployment's with our key", tokenWithClaims(c.with("iss", "https://staging.example.com")), Invalid},
		{"iss with a trailing slash", tokenWithClaims(c.with("iss", issuer+"/")), Invalid},
		{"iss a list", tokenWithClaims(c.with("iss", []string{issuer})), Invalid},
		{"aud missing", tokenWithClaims(c.without("aud")), Invalid},
		{"aud another's", tokenWithClaims(c.with("aud", "https://other.example.com")), Invalid},
		{"aud a list", tokenWithClaims(c.with("aud", []string{audience})), Invalid},
		{"aud a list with another's", tokenWithClaims(c.with("aud", []string{audience, "https://other.example.com"})), Invalid},
		{"sub missing", tokenWithClaims(c.without("sub")), Invalid},
		{"sub empty", tokenWithClaims(c.with("sub", "")), Invalid},
		{"sub a number", tokenWithClaims(c.with("sub", 1)), Invalid},
		{"sid missing", tokenWithClaims(c.without("sid")), Invalid},
		{"sid empty", tokenWithClaims(c.with("sid", "")), Invalid},
		{"jti missing", tokenWithClaims(c.without("jti")), Invalid},
		{"jti empty", tokenWithClaims(c.with("jti", "")), Invalid},
		{"role missing", tokenWithClaims(c.without("role")), Invalid},
		{"role empty", tokenWithClaims(c.with("role", "")), Invalid},
		{"role unknown", tokenWithClaims(c.with("role", "ROOT")), Invalid},
		{"role in another case", tokenWithClaims(c.with("role", "admin")), Invalid},
		{"role a list", tokenWithClaims(c.with("role", []string{"USER", "ADMIN"})), Invalid},

		// Tokens with another fault are not just expired: refreshing would not help.
		{"expired, and signed by another", head + "." + encodeSegment(c.with("iat", at-900).with("exp", at-1).json()) + "." + signature, Invalid},
		{"expired, and of another issuer", tokenWithClaims(c.with("iat", at-900).with("exp", at-1).with("iss", "x")), Invalid},
		{"expired, and for another audience", tokenWithClaims(c.with("iat", at-900).with("exp", at-1).with("aud", "x")), Invalid},
		{"expired, and with an unknown role", tokenWithClaims(c.with("iat", at-900).with("exp", at-1).with("role", "ROOT")), Invalid},
		{"expired, and without a session", tokenWithClaims(c.with("iat", at-900).with("exp", at-1).with("sid", "")), Invalid},
		{"expired, and of another type", signedToken(h.with("typ", "JWT").json(), c.with("iat", at-900).with("exp", at-1).json()), Invalid},

		// The claims as JSON
		{"a claim twice, the same", tokenReplacing(t, exp, exp+","+exp), Invalid},
		{"a claim twice, good last", tokenReplacing(t, exp, `"exp":1,`+exp), Invalid},
		{"a claim twice, good first", tokenReplacing(t, exp, exp+`,"exp":1`), Invalid},
		{"a claim twice, once escaped", tokenReplacing(t, `"role":"USER"`, `"role":"USER","r\u006fle":"ADMIN"`), Invalid},
		{"claims one level down", signedToken(h.json(), `{"claims":`+c.json()+`}`), Invalid},
		{"claims in a list", signedToken(h.json(), `[`+c.json()+`]`), Invalid},
		{"claims in a string", signedToken(h.json(), `"{}"`), Invalid},
		{"claims a number", signedToken(h.json(), `1`), Invalid},
		{"claims null", signedToken(h.json(), `null`), Invalid},
		{"claims an empty object", signedToken(h.json(), `{}`), Invalid},
		{"claims nothing", signedToken(h.json(), ``), Invalid},
		{"truncated claims", signedToken(h.json(), c.json()[:40]), Invalid},
		{"claims with trailing data", signedToken(h.json(), c.json()+`{}`), Invalid},
		{"claims nested deeply", signedToken(h.json(), strings.Repeat(`{"a":`, 300)+"1"+strings.Repeat("}", 300)), Invalid},
		{"claims that are lists nested deeply", signedToken(h.json(), strings.Repeat("[", 2000)), Invalid},

		// The form
		{"nothing", "", Invalid},
		{"one part", head, Invalid},
		{"two parts", head + "." + body, Invalid},
		{"no signature", head + "." + body + ".", Invalid},
		{"no header", "." + body + "." + signature, Invalid},
		{"no claims", head + ".." + signature, Invalid},
		{"four parts", whole + ".", Invalid},
		{"four parts, the last one full", whole + "." + signature, Invalid},
		{"five parts", head + "." + body + "." + signature + "." + signature + "." + signature, Invalid},
		{"a leading dot", "." + whole, Invalid},
		{"an unused bit of the signature", head + "." + body + "." + setUnusedBit(t, signature), Invalid},
		{"an unused bit of the header, signed", tokenWithUnusedBit(t, true, false), Invalid},
		{"an unused bit of the claims, signed", tokenWithUnusedBit(t, false, true), Invalid},
		{"padding", whole + "=", Invalid},
		{"padding inside", head + "==." + body + "." + signature, Invalid},
		{"a trailing newline", whole + "\n", Invalid},
		{"a trailing carriage return", whole + "\r", Invalid},
		{"a newline in the signature", head + "." + body + "." + signature[:10] + "\n" + signature[10:], Invalid},
		{"a newline in the header", head[:4] + "\n" + head[4:] + "." + body + "." + signature, Invalid},
		{"a leading space", " " + whole, Invalid},
		{"a trailing space", whole + " ", Invalid},
		{"a trailing NUL", whole + "\x00", Invalid},
		{"a byte that is not UTF-8", whole + "\xff", Invalid},
		{"Cyrillic letters that look alike", strings.Replace(whole, "e", "е", 1), Invalid},
		{"the alphabet of plain base64", head + "." + body + "." + strings.Repeat("+", len(signature)), Invalid},
		{"the signature cut by a character", whole[:len(whole)-1], Invalid},
		{"the signature of another token", tokenWithClaims(c.with("jti", "token-2"))[:len(head)+len(body)+2] + signature, Invalid},
		{"the maximum length", tokenOfSize(t, maxTokenBytes), good},
		{"one byte longer", tokenOfSize(t, maxTokenBytes+1), Invalid},
		{"1 MB of dots", strings.Repeat(".", 1<<20), Invalid},
		{"4 KiB of dots", strings.Repeat(".", maxTokenBytes), Invalid},
		{"1 MB of letters", strings.Repeat("a", 1<<20), Invalid},
		{"a refresh token", encodeSegment(strings.Repeat("r", 32)), Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tokens.Verify(tt.token)
			if tt.want == good {
				if err != nil || got.Subject != "user-1" || got.SessionID != "session-1" {
					t.Fatalf("got %+v, %v, want the claims", got, err)
				}
				return
			}
			var refused *UnauthenticatedError
			if (got != nil) != (tt.want == Expired) || !errors.As(err, &refused) || refused.Reason != tt.want {
				t.Errorf("got %+v, %v, want the reason %s", got, err, tt.want)
			}
		})
	}
}

// tokenWithUnusedBit returns a token with an unused bit set in its header or claims, signed with
// that bit.
func tokenWithUnusedBit(t testing.TB, header, claims bool) string {
	t.Helper()
	h, c := goodHeader().json(), goodClaims().json()
	for len(h)%3 != 1 {
		h += " "
	}
	for len(c)%3 != 1 {
		c += " "
	}
	if _, err := newTestTokens(t).Verify(signedToken(h, c)); err != nil {
		t.Fatalf("invalid without the bit too: %v", err)
	}
	h, c = encodeSegment(h), encodeSegment(c)
	if header {
		h = setUnusedBit(t, h)
	}
	if claims {
		c = setUnusedBit(t, c)
	}
	return h + "." + c + "." + hmacSign(sha256.New, secret, h+"."+c)
}

// tokenOfSize returns a valid token of n bytes.
func tokenOfSize(t testing.TB, n int) string {
	t.Helper()
	for fill := n / 2; fill < n; fill++ {
		claims := goodClaims().with("jti", strings.Repeat("j", fill)).json()
		for _, spaces := range []string{"", " ", "  "} { // base64 encodes three bytes at a time
			if s := signedToken(goodHeader().json()+spaces, claims); len(s) == n {
				return s
			}
		}
	}
	t.Fatalf("cannot build a token of %d bytes", n)
	return ""
}

func TestIssueSetsHeaderAndClaims(t *testing.T) {
	t.Parallel()
	tokens := newTestTokens(t)
	made, expires, err := tokens.Issue(testSession())
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 3, 1, 12, 15, 0, 0, time.UTC); expires != want {
		t.Errorf("got expiry %v, want %v", expires, want)
	}
	parts := strings.Split(made, ".")
	if len(parts) != 3 || parts[2] != hmacSign(sha256.New, secret, parts[0]+"."+parts[1]) {
		t.Fatalf("%s is not signed with the first secret", made)
	}
	if header := decodeSegment(t, parts[0]); !maps.Equal(header, goodHeader()) {
		t.Errorf("got header %v, want %v", header, goodHeader())
	}
	claims := decodeSegment(t, parts[1])
	want := goodClaims().with("jti", claims["jti"])
	for name, value := range want {
		if n, ok := value.(int64); ok {
			want[name] = float64(n)
		}
	}
	if !maps.Equal(claims, want) {
		t.Errorf("got claims %v, want %v", claims, want)
	}
	if jti, _ := claims["jti"].(string); len(jti) != 36 {
		t.Errorf("got jti %q, want 36 characters", jti)
	}
}

func decodeSegment(t *testing.T, segment string) (o object) {
	t.Helper()
	b, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestIssuedTokenIDsAreUnique(t *testing.T) {
	t.Parallel()
	tokens := newTestTokens(t)
	ids := map[string]bool{}
	for range 100 {
		claims, err := tokens.Verify(issueToken(t, tokens))
		if err != nil {
			t.Fatal(err)
		}
		ids[claims.ID] = true
	}
	if len(ids) != 100 {
		t.Errorf("got %d different IDs, want 100", len(ids))
	}
}

func TestIssuedTokensVerifyUnderCompatibleConfig(t *testing.T) {
	t.Parallel()
	other := func(change func(*TokenConfig)) *Tokens { return newTestTokens(t, change) }
	for _, tt := range []struct {
		name   string
		maker  *Tokens
		reader *Tokens
		ok     bool
	}{
		{"in the same configuration", newTestTokens(t), newTestTokens(t), true},
		{
			"after a new secret was put first",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Secrets = []string{foreignSecret, secret} }),
			true,
		},
		{
			"after the order of the secrets was reversed",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Secrets = []string{oldSecret, secret} }),
			true,
		},
		{
			"not after the secret was removed",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Secrets = []string{oldSecret} }),
			false,
		},
		{
			"not in another deployment with the same secret",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Issuer = "https://staging.example.com" }),
			false,
		},
		{
			"not for another audience",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Audience = "https://other.example.com" }),
			false,
		},
		{
			"on a server whose clock is 10 s behind",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Now = func() time.Time { return now.Add(-10 * time.Second) } }),
			true,
		},
		{
			"not on a server whose clock is 11 s behind",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Now = func() time.Time { return now.Add(-11 * time.Second) } }),
			false,
		},
		{
			"for the longest time",
			other(func(c *TokenConfig) { c.TTL = MaxTTL }),
			other(func(c *TokenConfig) { c.Now = func() time.Time { return now.Add(MaxTTL - time.Second) } }),
			true,
		},
		{
			"not with a role that was removed from the schema",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.KnownRole = func(role string) bool { return role == "ADMIN" } }),
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tt.reader.Verify(issueToken(t, tt.maker)); (err == nil) != tt.ok {
				t.Errorf("got %v, want valid: %t", err, tt.ok)
			}
		})
	}
}

func TestNewTokensRejectsInvalidConfig(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*TokenConfig)
	}{
		{"no secret", func(c *TokenConfig) { c.Secrets = nil }},
		{"no issuer", func(c *TokenConfig) { c.Issuer = "" }},
		{"no audience", func(c *TokenConfig) { c.Audience = "" }},
		{"no roles", func(c *TokenConfig) { c.KnownRole = nil }},
		{"no clock", func(c *TokenConfig) { c.Now = nil }},
		{"no TTL", func(c *TokenConfig) { c.TTL = 0 }},
		{"a TTL below a second", func(c *TokenConfig) { c.TTL = time.Second - 1 }},
		{"a TTL above an hour", func(c *TokenConfig) { c.TTL = MaxTTL + 1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newTestTokens(t).config
			tt.change(&c)
			if _, err := NewTokens(c); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestKeyIDDoesNotRevealSecret(t *testing.T) {
	t.Parallel()
	id := hmacKeyID(secret)
	if len(id) != 12 || id != hmacKeyID(secret) || id == hmacKeyID(oldSecret) {
		t.Fatalf("got key ID %q, want 12 characters that identify the secret", id)
	}
	plain := sha256.Sum256([]byte(secret))
	if strings.HasPrefix(base64.RawURLEncoding.EncodeToString(plain[:]), id) {
		t.Error("the key ID is an unkeyed hash of the secret")
	}
	for n := 3; n <= len(secret); n++ {
		for i := range len(secret) - n + 1 {
			if strings.Contains(id, secret[i:i+n]) {
				t.Errorf("key ID %s contains %q of the secret", id, secret[i:i+n])
			}
		}
	}
}

// FuzzVerify checks that only the one valid token among the seeds is accepted.
func FuzzVerify(f *testing.F) {
	tokens := newTestTokens(f)
	made := tokenWithClaims(goodClaims()) // the same in each fuzzing process
	head, rest, _ := strings.Cut(made, ".")
	body, signature, _ := strings.Cut(rest, ".")
	for _, seed := range []string{
		"", ".", "..", "...", made, made + ".", made + "=", made + "\n", head, head + "." + body, head + "." + body + ".",
		encodeSegment(`{"alg":"none"}`) + "." + body + ".", head + "." + encodeSegment(`null`) + "." + signature,
		head + "." + encodeSegment(`{"exp":1e999}`) + "." + signature, head + "." + body + "." + setUnusedBit(f, signature),
		encodeSegment(strings.Repeat("[", 1000)) + "." + body + "." + signature, strings.Repeat(".", 5000), "\xff\x00",
		encodeSegment(`{"alg":["HS256"],"kid":{},"typ":[]}`) + "." + body + "." + signature,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := tokens.Verify(token)
		if refused := (*UnauthenticatedError)(nil); err != nil && (!errors.As(err, &refused) || claims != nil) {
			t.Fatalf("got %+v, %v, want an UnauthenticatedError", claims, err)
		}
		if err == nil && token != made {
			t.Fatalf("%q is accepted", token)
		}
	})
}

// FuzzClaims signs any text, so that only the claims decide.
func FuzzClaims(f *testing.F) {
	tokens := newTestTokens(f)
	good := goodClaims().json()
	for _, seed := range []string{
		good, good + "{}", "", "null", "{}", "[]", `{"exp":1}`, strings.Replace(good, `"exp"`, `"Exp"`, 1),
		strings.Replace(good, `"exp"`, `"a":[{"exp":1}],"exp"`, 1), strings.Replace(good, `{`, `{"exp":1,`, 1),
		strings.Replace(good, `"USER"`, `null`, 1), strings.Replace(good, `"USER"`, `"ADMIN"`, 1), strings.Repeat("[", 900),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := tokens.Verify(signedToken(goodHeader().json(), text))
		if err != nil {
			return
		}
		// Every JSON reader with exact names reads the same claims.
		var said map[string]any
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]any{
			"iss": issuer, "aud": audience, "sub": claims.Subject, "sid": claims.SessionID, "role": claims.Role, "jti": claims.ID,
			"iat": float64(claims.IssuedAt), "nbf": float64(claims.NotBefore), "exp": float64(claims.ExpiresAt),
		} {
			if said[name] != value {
				t.Fatalf("%q is accepted with %s %v", text, name, value)
			}
		}
		if at := now.Unix(); claims.ExpiresAt <= at || claims.ExpiresAt > at+int64((MaxTTL+leeway)/time.Second) {
			t.Fatalf("%q is accepted", text)
		}
	})
}

// BenchmarkVerify compares a cached token with one that is parsed each time.
func BenchmarkVerify(b *testing.B) {
	tokens := newTestTokens(b)
	made := issueToken(b, tokens)
	var first, again time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := tokens.parse(made); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if _, err := tokens.Verify(made); err != nil {
			b.Fatal(err)
		}
		first += middle.Sub(start)
		again += time.Since(middle)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(first.Seconds()/again.Seconds(), "times-as-long-unknown")
}
