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
	secret   = "the-first-secret-of-this-deployment"
	older    = "the-secret-that-has-been-rotated-away"
	foreign  = "the-secret-of-some-other-deployment"
	issuer   = "https://api.example.com"
	audience = "https://app.example.com"
)

// now is in the middle of a second, as most moments are.
var now = time.Date(2026, 3, 1, 12, 0, 0, 700_000_000, time.UTC)

func newTestTokens(t testing.TB, change ...func(*TokenConfig)) *Tokens {
	t.Helper()
	c := TokenConfig{
		Secrets: []string{secret, older}, Issuer: issuer, Audience: audience, TTL: 15 * time.Minute,
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

func issue(t testing.TB, tokens *Tokens) string {
	t.Helper()
	token, _, err := tokens.Issue(testSession())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// object is JSON whose members a test changes. The tokens of these tests are put together by hand, so that
// what is tested does not testify for itself.
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

func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func hmacSign(newHash func() hash.Hash, key, signed string) string {
	mac := hmac.New(newHash, []byte(key))
	mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// token is one whose signature is good.
func token(header, claims string) string {
	signed := segment(header) + "." + segment(claims)
	return signed + "." + hmacSign(sha256.New, secret, signed)
}

func withClaims(o object) string { return token(goodHeader().json(), o.json()) }
func withHeader(o object) string { return token(o.json(), goodClaims().json()) }

// claimsText changes the JSON of good claims where a map cannot.
func claimsText(t testing.TB, old, replacement string) string {
	t.Helper()
	text := goodClaims().json()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%s is not once in %s", old, text)
	}
	return token(goodHeader().json(), strings.Replace(text, old, replacement, 1))
}

// unusedBit sets the lowest of the bits of the last character that no byte is made of.
func unusedBit(t testing.TB, s string) string {
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
	signed := segment(goodHeader().with("alg", "RS256").json()) + "." + segment(goodClaims().json())
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	const good = Reason("")
	tokens := newTestTokens(t)
	at := now.Unix()
	exp, iat := fmt.Sprintf(`"exp":%d`, at+900), fmt.Sprintf(`"iat":%d`, at)
	h, c := goodHeader(), goodClaims()
	whole := withClaims(c)
	head, rest, _ := strings.Cut(whole, ".")
	body, signature, _ := strings.Cut(rest, ".")
	resigned := func(alg string, newHash func() hash.Hash) string {
		signed := segment(h.with("alg", alg).json()) + "." + body
		return signed + "." + hmacSign(newHash, secret, signed)
	}
	signedBy := func(key string) string {
		signed := segment(h.with("kid", hmacKeyID(key)).json()) + "." + body
		return signed + "." + hmacSign(sha256.New, key, signed)
	}

	for _, tt := range []struct {
		name  string
		token string
		want  Reason
	}{
		{"made by hand like ours", whole, good},
		{"signed by the rotated key", signedBy(older), good},
		{"with a claim that we do not know", withClaims(c.with("tenant", []any{1, object{"exp": 0}})), good},
		{"with its claims laid out in lines", token(h.json(), "\r\n"+strings.ReplaceAll(c.json(), `,`, "\t,\n ")+" "), good},
		{"another role", withClaims(c.with("role", "ADMIN")), good},

		// The algorithm
		{"alg none, no signature", segment(h.with("alg", "none").json()) + "." + body + ".", Invalid},
		{"alg none, with a signature", withHeader(h.with("alg", "none")), Invalid},
		{"alg None", segment(h.with("alg", "None").json()) + "." + body + ".", Invalid},
		{"alg NONE", segment(h.with("alg", "NONE").json()) + "." + body + ".", Invalid},
		{"alg nOnE", segment(h.with("alg", "nOnE").json()) + "." + body + ".", Invalid},
		{"alg empty", withHeader(h.with("alg", "")), Invalid},
		{"alg missing", withHeader(h.without("alg")), Invalid},
		{"alg a number", withHeader(h.with("alg", 256)), Invalid},
		{"alg a list", withHeader(h.with("alg", []string{"HS256"})), Invalid},
		{"alg in another case", withHeader(h.with("alg", "hs256")), Invalid},
		{"HS384 with our secret", resigned("HS384", sha512.New384), Invalid},
		{"HS512 with our secret", resigned("HS512", sha512.New), Invalid},
		{"RS256 by somebody's key", rsaToken(t), Invalid},
		{"RS256 in the header, HS256 in truth", withHeader(h.with("alg", "RS256")), Invalid},
		{"ES256 in the header, HS256 in truth", withHeader(h.with("alg", "ES256")), Invalid},
		{"EdDSA in the header, HS256 in truth", withHeader(h.with("alg", "EdDSA")), Invalid},

		// The key
		{"kid missing", withHeader(h.without("kid")), Invalid},
		{"kid empty", withHeader(h.with("kid", "")), Invalid},
		{"kid null", withHeader(h.with("kid", nil)), Invalid},
		{"kid a number", withHeader(h.with("kid", 1)), Invalid},
		{"kid a list", withHeader(h.with("kid", []string{hmacKeyID(secret)})), Invalid},
		{"kid a path", withHeader(h.with("kid", "../../../../dev/null")), Invalid},
		{"kid SQL", withHeader(h.with("kid", "x' UNION SELECT 'secret' -- ")), Invalid},
		{"kid a URL", withHeader(h.with("kid", "https://evil.example/key")), Invalid},
		{"kid huge", withHeader(h.with("kid", strings.Repeat("k", 2000))), Invalid},
		{"kid with a NUL behind it", withHeader(h.with("kid", hmacKeyID(secret)+"\x00")), Invalid},
		{"kid of the other key", withHeader(h.with("kid", hmacKeyID(older))), Invalid},
		{"another deployment's key under its kid", signedBy(foreign), Invalid},
		{"another deployment's key under our kid", head + "." + body + "." + hmacSign(sha256.New, foreign, head+"."+body), Invalid},
		{"signed with an empty key", head + "." + body + "." + hmacSign(sha256.New, "", head+"."+body), Invalid},
		{"signed with the kid", head + "." + body + "." + hmacSign(sha256.New, hmacKeyID(secret), head+"."+body), Invalid},

		// The rest of the header
		{"jwk", withHeader(h.with("jwk", object{"kty": "oct", "k": segment(secret)})), Invalid},
		{"jku", withHeader(h.with("jku", "https://evil.example/jwks.json")), Invalid},
		{"x5u", withHeader(h.with("x5u", "https://evil.example/cert.pem")), Invalid},
		{"x5c", withHeader(h.with("x5c", []string{"MIIB"})), Invalid},
		{"x5t", withHeader(h.with("x5t", "dGh1bWI")), Invalid},
		{"crit", withHeader(h.with("crit", []string{"exp"})), Invalid},
		{"crit empty", withHeader(h.with("crit", []string{})), Invalid},
		{"zip", withHeader(h.with("zip", "DEF")), Invalid},
		{"b64", withHeader(h.with("b64", false)), Invalid},
		{"cty", withHeader(h.with("cty", "JWT")), Invalid},
		{"exp in the header", withHeader(h.with("exp", at+900)), Invalid},
		{"a header parameter that nobody knows", withHeader(h.with("x", nil)), Invalid},
		{"typ missing", withHeader(h.without("typ")), Invalid},
		{"typ missing, another in its place", withHeader(h.without("typ").with("cty", "at+jwt")), Invalid},
		{"typ JWT", withHeader(h.with("typ", "JWT")), Invalid},
		{"typ of a refresh token", withHeader(h.with("typ", "rt+jwt")), Invalid},
		{"typ in another case", withHeader(h.with("typ", "AT+JWT")), Invalid},
		{"typ as a media type", withHeader(h.with("typ", "application/at+jwt")), Invalid},
		{"typ a number", withHeader(h.with("typ", 1)), Invalid},
		{"typ an object", withHeader(h.with("typ", object{})), Invalid},
		{"Typ in place of typ", withHeader(h.without("typ").with("Typ", "at+jwt")), Invalid},
		{"a header that is a list", token(`["HS256"]`, c.json()), Invalid},
		{"a header that is null", token(`null`, c.json()), Invalid},
		{"a header that is cut off", token(h.json()[:10], c.json()), Invalid},
		{"a header with something behind it", token(h.json()+"{}", c.json()), Invalid},

		// When
		{"a second before it expires", withClaims(c.with("iat", at-899).with("nbf", at-899).with("exp", at+1)), good},
		{"in the second in which it expires", withClaims(c.with("iat", at-900).with("nbf", at-900).with("exp", at)), Expired},
		{"a second after", withClaims(c.with("iat", at-900).with("nbf", at-900).with("exp", at-1)), Expired},
		{"long after", withClaims(c.with("iat", int64(1)).with("nbf", int64(1)).with("exp", int64(2))), Expired},
		{"exp missing", withClaims(c.without("exp")), Invalid},
		{"exp null", withClaims(c.with("exp", nil)), Invalid},
		{"exp a string", claimsText(t, exp, strings.Replace(exp, ":", `:"`, 1)+`"`), Invalid},
		{"exp named Exp", withClaims(c.without("exp").with("Exp", at+900)), Invalid},
		{"exp named EXP", withClaims(c.without("exp").with("EXP", at+900)), Invalid},
		{"exp beside an Exp", withClaims(c.with("Exp", at+900)), Invalid},
		{"sub with a letter that folds into an s", withClaims(c.without("sub").with("\u017fub", "user-1")), Invalid},
		{"a name in a value", withClaims(c.with("jti", `"exp":1,"Exp`)), good},
		{"names of claims further down", withClaims(c.with("a", []any{object{"exp": 1, "Exp": 2}, "exp"})), good},
		{"space between a name and its colon", claimsText(t, `"exp":`, "\"exp\" \r\n\t:"), good},
		{"exp escaped", claimsText(t, `"exp"`, `"\u0065xp"`), Invalid},
		{"exp 0", withClaims(c.with("exp", 0)), Invalid},
		{"exp negative", withClaims(c.with("exp", -at)), Invalid},
		{"exp 1e18", claimsText(t, exp, `"exp":1e18`), Invalid},
		{"exp 10¹⁸", claimsText(t, exp, `"exp":1000000000000000000`), Invalid},
		{"exp the largest int64", claimsText(t, exp, `"exp":9223372036854775807`), Invalid},
		{"exp larger", claimsText(t, exp, `"exp":9223372036854775808`), Invalid},
		{"exp with a fraction", claimsText(t, exp, exp+".5"), Invalid},
		{"exp with a point", claimsText(t, exp, exp+".0"), Invalid},
		{"exp a list", withClaims(c.with("exp", []int64{at + 900})), Invalid},
		{"exp an object", withClaims(c.with("exp", object{"exp": at + 900})), Invalid},
		{"exp true", withClaims(c.with("exp", true)), Invalid},
		{"exp in milliseconds", withClaims(c.with("exp", (at+900)*1000)), Invalid},
		{"exp before iat", withClaims(c.with("iat", at).with("exp", at-1)), Invalid},
		{"exp at iat", withClaims(c.with("iat", at-1).with("nbf", at-1).with("exp", at-1)), Invalid},
		{"living an hour", withClaims(c.with("exp", at+3600)), good},
		{"living a second more", withClaims(c.with("exp", at+3601)), Invalid},
		{"having lived more than an hour", withClaims(c.with("iat", at-3601).with("nbf", at-3601).with("exp", at)), Invalid},
		{"iat as far ahead as clocks differ", withClaims(c.with("iat", at+10)), good},
		{"iat a second further", withClaims(c.with("iat", at+11)), Invalid},
		{"iat missing", withClaims(c.without("iat")), Invalid},
		{"iat null", withClaims(c.with("iat", nil)), Invalid},
		{"iat 0", withClaims(c.with("iat", 0)), Invalid},
		{"iat a string", claimsText(t, iat, strings.Replace(iat, ":", `:"`, 1)+`"`), Invalid},
		{"iat and exp the smallest and the largest", claimsText(t, iat, `"iat":-9223372036854775808`), Invalid},
		{"nbf as far ahead as clocks differ", withClaims(c.with("nbf", at+10)), good},
		{"nbf a second further", withClaims(c.with("nbf", at+11)), Invalid},
		{"nbf missing", withClaims(c.without("nbf")), Invalid},
		{"nbf null", withClaims(c.with("nbf", nil)), Invalid},
		{"nbf 0", withClaims(c.with("nbf", 0)), Invalid},
		{"nbf negative", withClaims(c.with("nbf", -1)), Invalid},

		// Whose
		{"iss missing", withClaims(c.without("iss")), Invalid},
		{"iss empty", withClaims(c.with("iss", "")), Invalid},
		{"iss null", withClaims(c.with("iss", nil)), Invalid},
		{"iss another deployment's with our key", withClaims(c.with("iss", "https://staging.example.com")), Invalid},
		{"iss with a slash behind it", withClaims(c.with("iss", issuer+"/")), Invalid},
		{"iss a list", withClaims(c.with("iss", []string{issuer})), Invalid},
		{"aud missing", withClaims(c.without("aud")), Invalid},
		{"aud another's", withClaims(c.with("aud", "https://other.example.com")), Invalid},
		{"aud a list", withClaims(c.with("aud", []string{audience})), Invalid},
		{"aud a list with another's", withClaims(c.with("aud", []string{audience, "https://other.example.com"})), Invalid},
		{"sub missing", withClaims(c.without("sub")), Invalid},
		{"sub empty", withClaims(c.with("sub", "")), Invalid},
		{"sub a number", withClaims(c.with("sub", 1)), Invalid},
		{"sid missing", withClaims(c.without("sid")), Invalid},
		{"sid empty", withClaims(c.with("sid", "")), Invalid},
		{"jti missing", withClaims(c.without("jti")), Invalid},
		{"jti empty", withClaims(c.with("jti", "")), Invalid},
		{"role missing", withClaims(c.without("role")), Invalid},
		{"role empty", withClaims(c.with("role", "")), Invalid},
		{"role unknown", withClaims(c.with("role", "ROOT")), Invalid},
		{"role in another case", withClaims(c.with("role", "admin")), Invalid},
		{"role a list", withClaims(c.with("role", []string{"USER", "ADMIN"})), Invalid},

		// What is wrong in two ways is not just expired: refreshing would not help.
		{"expired, and signed by another", head + "." + segment(c.with("iat", at-900).with("exp", at-1).json()) + "." + signature, Invalid},
		{"expired, and of another issuer", withClaims(c.with("iat", at-900).with("exp", at-1).with("iss", "x")), Invalid},
		{"expired, and for another audience", withClaims(c.with("iat", at-900).with("exp", at-1).with("aud", "x")), Invalid},
		{"expired, and with an unknown role", withClaims(c.with("iat", at-900).with("exp", at-1).with("role", "ROOT")), Invalid},
		{"expired, and without a session", withClaims(c.with("iat", at-900).with("exp", at-1).with("sid", "")), Invalid},
		{"expired, and of another type", token(h.with("typ", "JWT").json(), c.with("iat", at-900).with("exp", at-1).json()), Invalid},

		// The claims as JSON
		{"a claim twice, the same", claimsText(t, exp, exp+","+exp), Invalid},
		{"a claim twice, good last", claimsText(t, exp, `"exp":1,`+exp), Invalid},
		{"a claim twice, good first", claimsText(t, exp, exp+`,"exp":1`), Invalid},
		{"a claim twice, once escaped", claimsText(t, `"role":"USER"`, `"role":"USER","r\u006fle":"ADMIN"`), Invalid},
		{"claims one level down", token(h.json(), `{"claims":`+c.json()+`}`), Invalid},
		{"claims in a list", token(h.json(), `[`+c.json()+`]`), Invalid},
		{"claims in a string", token(h.json(), `"{}"`), Invalid},
		{"claims a number", token(h.json(), `1`), Invalid},
		{"claims null", token(h.json(), `null`), Invalid},
		{"claims an empty object", token(h.json(), `{}`), Invalid},
		{"claims nothing", token(h.json(), ``), Invalid},
		{"claims cut off", token(h.json(), c.json()[:40]), Invalid},
		{"claims with something behind them", token(h.json(), c.json()+`{}`), Invalid},
		{"claims nested deeply", token(h.json(), strings.Repeat(`{"a":`, 300)+"1"+strings.Repeat("}", 300)), Invalid},
		{"claims that are lists nested deeply", token(h.json(), strings.Repeat("[", 2000)), Invalid},

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
		{"a dot in front", "." + whole, Invalid},
		{"an unused bit of the signature", head + "." + body + "." + unusedBit(t, signature), Invalid},
		{"an unused bit of the header, signed", padded(t, true, false), Invalid},
		{"an unused bit of the claims, signed", padded(t, false, true), Invalid},
		{"padding", whole + "=", Invalid},
		{"padding inside", head + "==." + body + "." + signature, Invalid},
		{"a newline behind", whole + "\n", Invalid},
		{"a carriage return behind", whole + "\r", Invalid},
		{"a newline in the signature", head + "." + body + "." + signature[:10] + "\n" + signature[10:], Invalid},
		{"a newline in the header", head[:4] + "\n" + head[4:] + "." + body + "." + signature, Invalid},
		{"a space in front", " " + whole, Invalid},
		{"a space behind", whole + " ", Invalid},
		{"a NUL behind", whole + "\x00", Invalid},
		{"a byte that is no UTF-8", whole + "\xff", Invalid},
		{"letters that only look alike", strings.Replace(whole, "e", "е", 1), Invalid},
		{"the alphabet of plain base64", head + "." + body + "." + strings.Repeat("+", len(signature)), Invalid},
		{"the signature cut by a character", whole[:len(whole)-1], Invalid},
		{"the signature of another token", withClaims(c.with("jti", "token-2"))[:len(head)+len(body)+2] + signature, Invalid},
		{"as long as may be read", sized(t, maxTokenBytes), good},
		{"a byte more", sized(t, maxTokenBytes+1), Invalid},
		{"1 MB of dots", strings.Repeat(".", 1<<20), Invalid},
		{"4 KiB of dots", strings.Repeat(".", maxTokenBytes), Invalid},
		{"1 MB of letters", strings.Repeat("a", 1<<20), Invalid},
		{"a refresh token", segment(strings.Repeat("r", 32)), Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tokens.Verify(tt.token)
			if tt.want == good {
				if err != nil || got.Subject != "user-1" || got.SessionID != "session-1" {
					t.Fatalf("%+v, %v, want the claims", got, err)
				}
				return
			}
			var refused *Unauthenticated
			if (got != nil) != (tt.want == Expired) || !errors.As(err, &refused) || refused.Reason != tt.want {
				t.Errorf("%+v, %v, want the reason %s", got, err, tt.want)
			}
		})
	}
}

// padded is a token whose header or claims have an unused bit set, and whose signature is over that.
func padded(t testing.TB, header, claims bool) string {
	t.Helper()
	h, c := goodHeader().json(), goodClaims().json()
	for len(h)%3 != 1 {
		h += " "
	}
	for len(c)%3 != 1 {
		c += " "
	}
	if _, err := newTestTokens(t).Verify(token(h, c)); err != nil {
		t.Fatalf("without the bit it is not good either: %v", err)
	}
	h, c = segment(h), segment(c)
	if header {
		h = unusedBit(t, h)
	}
	if claims {
		c = unusedBit(t, c)
	}
	return h + "." + c + "." + hmacSign(sha256.New, secret, h+"."+c)
}

// sized is a good token of n bytes.
func sized(t testing.TB, n int) string {
	t.Helper()
	for fill := n / 2; fill < n; fill++ {
		claims := goodClaims().with("jti", strings.Repeat("j", fill)).json()
		for _, spaces := range []string{"", " ", "  "} { // base64 takes three bytes at a time
			if s := token(goodHeader().json()+spaces, claims); len(s) == n {
				return s
			}
		}
	}
	t.Fatalf("no token has %d bytes", n)
	return ""
}

func TestIssue(t *testing.T) {
	t.Parallel()
	tokens := newTestTokens(t)
	made, expires, err := tokens.Issue(testSession())
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 3, 1, 12, 15, 0, 0, time.UTC); expires != want {
		t.Errorf("expires %v, want %v", expires, want)
	}
	parts := strings.Split(made, ".")
	if len(parts) != 3 || parts[2] != hmacSign(sha256.New, secret, parts[0]+"."+parts[1]) {
		t.Fatalf("%s is not signed with the first secret", made)
	}
	if header := decode(t, parts[0]); !maps.Equal(header, goodHeader()) {
		t.Errorf("header %v, want %v", header, goodHeader())
	}
	claims := decode(t, parts[1])
	want := goodClaims().with("jti", claims["jti"])
	for name, value := range want {
		if n, ok := value.(int64); ok {
			want[name] = float64(n)
		}
	}
	if !maps.Equal(claims, want) {
		t.Errorf("claims %v, want %v", claims, want)
	}
	if jti, _ := claims["jti"].(string); len(jti) != 36 {
		t.Errorf("jti %q", jti)
	}
}

func decode(t *testing.T, segment string) (o object) {
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

func TestTokensHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	tokens := newTestTokens(t)
	ids := map[string]bool{}
	for range 100 {
		claims, err := tokens.Verify(issue(t, tokens))
		if err != nil {
			t.Fatal(err)
		}
		ids[claims.ID] = true
	}
	if len(ids) != 100 {
		t.Errorf("%d ids of 100 tokens", len(ids))
	}
}

func TestIssuedTokensVerify(t *testing.T) {
	t.Parallel()
	other := func(change func(*TokenConfig)) *Tokens { return newTestTokens(t, change) }
	for _, tt := range []struct {
		name   string
		maker  *Tokens
		reader *Tokens
		ok     bool
	}{
		{"where they were made", newTestTokens(t), newTestTokens(t), true},
		{
			"after a new secret was put in front",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Secrets = []string{foreign, secret} }),
			true,
		},
		{
			"after the list was turned round",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Secrets = []string{older, secret} }),
			true,
		},
		{
			"not after the secret was taken away",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Secrets = []string{older} }),
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
			"on a replica whose clock is 10 s behind",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.Now = func() time.Time { return now.Add(-10 * time.Second) } }),
			true,
		},
		{
			"not on one whose clock is 11 s behind",
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
			"not with a role that was taken out of the schema",
			newTestTokens(t),
			other(func(c *TokenConfig) { c.KnownRole = func(role string) bool { return role == "ADMIN" } }),
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tt.reader.Verify(issue(t, tt.maker)); (err == nil) != tt.ok {
				t.Errorf("verified: %v", err)
			}
		})
	}
}

func TestNewTokensRefuses(t *testing.T) {
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

func TestKeyIDsTellNothing(t *testing.T) {
	t.Parallel()
	id := hmacKeyID(secret)
	if len(id) != 12 || id != hmacKeyID(secret) || id == hmacKeyID(older) {
		t.Fatalf("%q is no id", id)
	}
	plain := sha256.Sum256([]byte(secret))
	if strings.HasPrefix(base64.RawURLEncoding.EncodeToString(plain[:]), id) {
		t.Error("the id is a bare hash of the secret")
	}
	for n := 3; n <= len(secret); n++ {
		for i := range len(secret) - n + 1 {
			if strings.Contains(id, secret[i:i+n]) {
				t.Errorf("%s has %q of the secret in it", id, secret[i:i+n])
			}
		}
	}
}

// Only the one good token among the seeds may verify.
func FuzzVerify(f *testing.F) {
	tokens := newTestTokens(f)
	made := withClaims(goodClaims()) // the same in each of the processes that go test makes
	head, rest, _ := strings.Cut(made, ".")
	body, signature, _ := strings.Cut(rest, ".")
	for _, seed := range []string{
		"", ".", "..", "...", made, made + ".", made + "=", made + "\n", head, head + "." + body, head + "." + body + ".",
		segment(`{"alg":"none"}`) + "." + body + ".", head + "." + segment(`null`) + "." + signature,
		head + "." + segment(`{"exp":1e999}`) + "." + signature, head + "." + body + "." + unusedBit(f, signature),
		segment(strings.Repeat("[", 1000)) + "." + body + "." + signature, strings.Repeat(".", 5000), "\xff\x00",
		segment(`{"alg":["HS256"],"kid":{},"typ":[]}`) + "." + body + "." + signature,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := tokens.Verify(token)
		if refused := (*Unauthenticated)(nil); err != nil && (!errors.As(err, &refused) || claims != nil) {
			t.Fatalf("%+v, %v", claims, err)
		}
		if err == nil && token != made {
			t.Fatalf("%q verifies", token)
		}
	})
}

// FuzzClaims signs whatever comes, so that the claims are what is judged.
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
		claims, err := tokens.Verify(token(goodHeader().json(), text))
		if err != nil {
			return
		}
		// What verifies says the same to everybody who reads JSON with exact names.
		var said map[string]any
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]any{
			"iss": issuer, "aud": audience, "sub": claims.Subject, "sid": claims.SessionID, "role": claims.Role, "jti": claims.ID,
			"iat": float64(claims.IssuedAt), "nbf": float64(claims.NotBefore), "exp": float64(claims.ExpiresAt),
		} {
			if said[name] != value {
				t.Fatalf("%q verifies with the %s %v", text, name, value)
			}
		}
		if at := now.Unix(); claims.ExpiresAt <= at || claims.ExpiresAt > at+int64((MaxTTL+leeway)/time.Second) {
			t.Fatalf("%q verifies", text)
		}
	})
}

// A token that was verified before, beside one that was not: what remembering it saves, as golang-jwt's share.
func BenchmarkVerify(b *testing.B) {
	tokens := newTestTokens(b)
	made := issue(b, tokens)
	var first, again time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := tokens.read(made); err != nil {
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
