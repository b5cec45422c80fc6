package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

// key signs and verifies with a single algorithm, which the token cannot choose (RFC 8725 section
// 3.1).
type key struct {
	id     string
	method jwt.SigningMethod
	sign   any
	verify any
}

// keyring holds the key that signs and, by ID, all keys that verify.
type keyring struct {
	signer key
	byID   map[string]key
	public []byte // the public keys as a JWK Set

	sealers []*sealer // one per key: the first seals, all open
}

// newKeyring orders private keys before secrets. The first key signs, and all verify.
func newKeyring(private []PrivateKey, secrets []string) (*keyring, error) {
	keys := make([]key, 0, len(private)+len(secrets))
	for _, p := range private {
		keys = append(keys, p.key)
	}
	public, err := publicSet(keys)
	if err != nil {
		return nil, err
	}
	for _, secret := range secrets {
		keys = append(keys, hmacKey(secret))
	}
	if len(keys) == 0 {
		return nil, errors.New("access tokens require a signing key: configure a private key or a secret")
	}
	ring := &keyring{signer: keys[0], byID: make(map[string]key, len(keys)), public: public}
	for _, k := range keys {
		ring.byID[k.id] = k
		s, err := newSealer(k)
		if err != nil {
			return nil, err
		}
		ring.sealers = append(ring.sealers, s)
	}
	return ring, nil
}

func hmacKey(secret string) key {
	return key{id: hmacKeyID(secret), method: jwt.SigningMethodHS256, sign: []byte(secret), verify: []byte(secret)}
}

// hmacKeyID returns the ID of a secret. It reveals nothing of the secret, because every token's
// header contains it.
func hmacKeyID(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("fieldgate key id"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:9])
}
