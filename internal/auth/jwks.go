package auth

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// JWKS serves the public keys as a JWK Set (RFC 7517 section 5), by which others verify access tokens without
// asking. Secrets are not in it. Caches may keep it for five minutes: as long as a new key has to be announced
// before it signs.
func (t *Tokens) JWKS() http.Handler {
	sum := sha256.Sum256(t.keys.public)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:9]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/jwk-set+json") // RFC 7517 section 8.5.1
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(t.keys.public)) // answers If-None-Match
	})
}

func publicSet(keys []key) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, len(keys))} // never null, which is no JWK Set
	for i, k := range keys {
		set.Keys[i] = jose.JSONWebKey{Key: k.verify, KeyID: k.id, Algorithm: k.method.Alg(), Use: "sig"}
	}
	return json.Marshal(set)
}

// thumbprint names a public key (RFC 7638): the same key has the same id on every replica and after every restart.
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}
