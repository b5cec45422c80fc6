package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func getJWKS(t testing.TB, tokens *Tokens, method, ifNoneMatch string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, "/.well-known/jwks.json", nil)
	if ifNoneMatch != "" {
		r.Header.Set("If-None-Match", ifNoneMatch)
	}
	w := httptest.NewRecorder()
	tokens.JWKS().ServeHTTP(w, r)
	return w.Result()
}

// decodeJWKSet decodes a JWK Set without the package's own types.
func decodeJWKSet(t testing.TB, response *http.Response) (keys []object) {
	t.Helper()
	var set map[string][]object
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	if len(set) != 1 || set["keys"] == nil {
		t.Fatalf("got %v, want a list of keys", set)
	}
	return set["keys"]
}

// The set holds the public keys in the order of the files, each with exactly its public members.
func TestJWKSHoldsOnlyPublicKeys(t *testing.T) {
	t.Parallel()
	private := mustParseKeys(t, pkcs8(ed25519Key()), pkcs8(p256Key()), pkcs8(rsaKey()))
	got := decodeJWKSet(t, getJWKS(t, newTokensWithKeys(t, private, secret), http.MethodGet, ""))
	point := must(p256Key().PublicKey.Bytes())
	want := []object{
		{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": encodeSegment(string(ed25519Key().Public().(ed25519.PublicKey)))},
		{"kty": "EC", "crv": "P-256", "alg": "ES256", "x": encodeSegment(string(point[1:33])), "y": encodeSegment(string(point[33:]))},
		{"kty": "RSA", "alg": "RS256", "n": encodeSegment(string(rsaKey().N.Bytes())), "e": "AQAB"},
	}
	if len(got) != len(want) {
		t.Fatalf("got %d keys, want %d", len(got), len(want))
	}
	for i := range want {
		want[i]["use"], want[i]["kid"] = "sig", private[i].key.id
		if got[i].json() != want[i].json() {
			t.Errorf("got\n\t%s\nwant\n\t%s", got[i].json(), want[i].json())
		}
	}
}

// A coordinate keeps its leading zero byte (RFC 7518 section 6.2.1.2).
func TestJWKSPadsCoordinates(t *testing.T) {
	t.Parallel()
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for must(k.PublicKey.Bytes())[1] != 0 {
		k = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
	got := decodeJWKSet(t, getJWKS(t, newTokensWithKeys(t, mustParseKeys(t, pkcs8(k))), http.MethodGet, ""))
	x := must(base64.RawURLEncoding.DecodeString(got[0]["x"].(string)))
	if len(x) != 32 || new(big.Int).SetBytes(x).BitLen() > 248 {
		t.Errorf("x has %d bytes, want 32 with a leading zero", len(x))
	}
}

func TestJWKSOmitsSecrets(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	newTokensWithKeys(t, nil, secret, oldSecret).JWKS().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Body.String() != `{"keys":[]}` {
		t.Error(w.Body)
	}
}

func TestJWKSSupportsConditionalRequests(t *testing.T) {
	t.Parallel()
	ed, p256 := mustParseKeys(t, pkcs8(ed25519Key())), mustParseKeys(t, pkcs8(p256Key()))
	tokens := newTokensWithKeys(t, ed)
	first := getJWKS(t, tokens, http.MethodGet, "")
	etag := first.Header.Get("ETag")
	if len(etag) < 12 || !strings.HasPrefix(etag, `"`) || !strings.HasSuffix(etag, `"`) {
		t.Fatalf("got ETag %s, want a quoted string", etag)
	}
	for _, row := range []struct {
		name, method, ifNoneMatch string
		tokens                    *Tokens
		status                    int
		empty                     bool
	}{
		{"a first request", http.MethodGet, "", tokens, http.StatusOK, false},
		{"a HEAD request", http.MethodHead, "", tokens, http.StatusOK, true},
		{"the current ETag", http.MethodGet, etag, tokens, http.StatusNotModified, true},
		{"the current ETag among others", http.MethodGet, `"x", W/` + etag, tokens, http.StatusNotModified, true},
		{"the ETag of another server with the same keys", http.MethodGet, etag, newTokensWithKeys(t, ed), http.StatusNotModified, true},
		{"an unknown ETag", http.MethodGet, `"x"`, tokens, http.StatusOK, false},
		{"the ETag before a key was added", http.MethodGet, etag, newTokensWithKeys(t, append(ed[:1:1], p256...)), http.StatusOK, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			response := getJWKS(t, row.tokens, row.method, row.ifNoneMatch)
			content, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != row.status || (len(content) == 0) != row.empty {
				t.Errorf("got status %d, content %q, error %v, want status %d, empty %t", response.StatusCode, content, err, row.status, row.empty)
			}
			if cache := response.Header.Get("Cache-Control"); cache != "public, max-age=300" || response.Header.Get("ETag") == "" {
				t.Errorf("got Cache-Control %q, ETag %q", cache, response.Header.Get("ETag"))
			}
			if kind := response.Header.Get("Content-Type"); row.status == http.StatusOK && kind != "application/jwk-set+json" {
				t.Errorf("got Content-Type %q", kind)
			}
		})
	}
}
