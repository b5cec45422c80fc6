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

// JWKS serves the public keys as a JWK Set (RFC 7517 section 5), with which other services verify
// access tokens offline. It never contains secrets. Caches may keep it for five minutes; a new key
// must be published that long before it signs.
func (t *Tokens) JWKS() http.Handler {
	sum := sha256.Sum256(t.keys.public)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:9]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/jwk-set+json") // RFC 7517 section 8.5.1
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("ETag", etag)
		// Answers If-None-Match.
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(t.keys.public))
	})
}

func publicSet(keys []key) ([]byte, error) {
	// Not nil: null is not a valid JWK Set.
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, len(keys))}
	for i, k := range keys {
		set.Keys[i] = jose.JSONWebKey{Key: k.verify, KeyID: k.id, Algorithm: k.method.Alg(), Use: "sig"}
	}
	return json.Marshal(set)
}

// thumbprint returns the ID of a public key (RFC 7638). A key has the same ID on every server and
// after every restart.
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}
