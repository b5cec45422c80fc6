package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
)

// sealer encrypts values that clients store and return but must not read, such as cursors. Its keys
// derive from a signing key, so servers that accept each other's tokens open each other's seals.
type sealer struct {
	aead     cipher.AEAD
	nonceKey []byte
}

const (
	sealInfo  = "fieldgate seal"
	sealBlock = 20      // padding block in bytes: it hides the exact length
	maxSealed = 4 << 10 // longer seals are rejected unread
)

// newSealer derives the encryption keys from a signing key with HKDF (RFC 5869). Tokens signed with
// that key reveal nothing about them.
func newSealer(k key) (*sealer, error) {
	secret, isSecret := k.sign.([]byte)
	if !isSecret {
		var err error
		if secret, err = x509.MarshalPKCS8PrivateKey(k.sign); err != nil {
			return nil, fmt.Errorf("a private key that cannot be encoded: %w", err)
		}
	}
	keys, err := hkdf.Key(sha256.New, secret, nil, sealInfo, 2*sha256.Size)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(keys[:sha256.Size])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &sealer{aead, keys[sha256.Size:]}, err
}

// nonce derives the nonce from all that is sealed, as in RFC 5297. Equal texts get equal seals,
// which clients can compare, and no nonce is used for two texts.
func (s *sealer) nonce(purpose string, text []byte) []byte {
	mac := hmac.New(sha256.New, s.nonceKey)
	fmt.Fprintf(mac, "%d:%s", len(purpose), purpose)
	mac.Write(text)
	return mac.Sum(nil)[:s.aead.NonceSize()]
}

func (s *sealer) open(purpose string, sealed []byte) ([]byte, bool) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, false
	}
	text, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(purpose))
	return text, err == nil
}

// Seal encrypts and authenticates a text that a client stores. Only Open with the same purpose
// accepts it. It reveals nothing but the approximate length.
func (t *Tokens) Seal(purpose string, text []byte) string {
	s := t.keys.sealers[0]
	padded := make([]byte, (len(text)/sealBlock+1)*sealBlock)
	copy(padded, text)
	padded[len(text)] = 1
	nonce := s.nonce(purpose, padded)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, padded, []byte(purpose)))
}

// Open returns the text of a seal. It reports false for anything that Seal did not return for the
// same purpose under one of the keys.
func (t *Tokens) Open(purpose, sealed string) ([]byte, bool) {
	if len(sealed) > maxSealed {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	// The decoder accepts line breaks, so the length is compared too.
	if err != nil || len(sealed) != base64.RawURLEncoding.EncodedLen(len(raw)) {
		return nil, false
	}
	for _, s := range t.keys.sealers {
		padded, ok := s.open(purpose, raw)
		if !ok {
			continue
		}
		for i := len(padded) - 1; i >= 0; i-- {
			if padded[i] == 1 {
				return padded[:i], true
			}
		}
	}
	return nil, false
}
