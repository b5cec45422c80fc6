package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

// key signs and verifies with one algorithm, so that nobody else chooses it (RFC 8725 section 3.1).
type key struct {
	id     string
	method jwt.SigningMethod
	sign   any
	verify any
}

// keyring is the keys that verify, by id, and the one that signs.
type keyring struct {
	signer key
	byID   map[string]key
	public []byte // the public keys as a JWK Set

	sealers []*sealer // one a key: the first seals, all open
}

// newKeyring puts the private keys in front of the secrets: the first of all signs, all verify.
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
		return nil, errors.New("no key to sign access tokens with")
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

// hmacKeyID names a secret without telling anything of it: the id stands in every token's header.
func hmacKeyID(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("fieldgate key id"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:9])
}
