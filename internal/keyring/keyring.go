// Package keyring encrypts secrets for the database with keys that are kept outside of it.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// MinKeyBytes is the minimum length of a key.
const MinKeyBytes = 32

// ErrUnknownKey is the error of a ciphertext that none of the keys decrypts: its key is missing, or
// the ciphertext was changed or belongs to another context.
var ErrUnknownKey = errors.New("no key decrypts the secret")

// Keyring encrypts with its first key and decrypts with all of them. To rotate, put the new key in
// front, and drop the old one when [Keyring.IsCurrent] holds for every secret. A nil Keyring has no
// keys. It is safe for concurrent use.
type Keyring struct{ keys []key }

type key struct {
	id   keyID
	aead cipher.AEAD
}

// keyID names a key in a ciphertext. It is derived from the key and reveals nothing about it.
type keyID [4]byte

// New returns a keyring. A key is a random text of at least 32 bytes. Without keys, New returns
// nil.
func New(keys []string) (*Keyring, error) {
	var ring Keyring
	for i, text := range keys {
		if len(text) < MinKeyBytes {
			return nil, fmt.Errorf("key %d has fewer than %d bytes", i+1, MinKeyBytes)
		}
		k, err := newKey(text)
		if err != nil {
			return nil, err
		}
		for _, other := range ring.keys {
			if other.id == k.id {
				return nil, fmt.Errorf("key %d is listed twice", i+1)
			}
		}
		ring.keys = append(ring.keys, k)
	}
	if len(ring.keys) == 0 {
		return nil, nil
	}
	return &ring, nil
}

// newKey derives the encryption key and the key's ID from the configured key (HKDF, RFC 5869), so
// that a ciphertext reveals nothing about the key.
func newKey(text string) (k key, err error) {
	const encryptionKey = 32 // AES-256
	derived, err := hkdf.Key(sha256.New, []byte(text), nil, "fieldgate factor key", encryptionKey+len(k.id))
	if err != nil {
		return k, err
	}
	block, err := aes.NewCipher(derived[:encryptionKey])
	if err != nil {
		return k, err
	}
	copy(k.id[:], derived[encryptionKey:])
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// Encrypt encrypts a secret with the first key (AES-256-GCM, a random nonce). The context is
// authenticated and not stored: Decrypt needs the same one, so that a ciphertext cannot be moved to
// another row.
func (r *Keyring) Encrypt(secret, context string) []byte {
	k := r.keys[0]
	return k.aead.Seal(append([]byte{}, k.id[:]...), nil, []byte(secret), []byte(context))
}

// Decrypt returns the secret of a ciphertext, or ErrUnknownKey.
func (r *Keyring) Decrypt(ciphertext []byte, context string) (string, error) {
	if r == nil || len(ciphertext) < len(keyID{}) {
		return "", ErrUnknownKey
	}
	for _, k := range r.keys {
		if k.id != keyID(ciphertext[:4]) {
			continue
		}
		secret, err := k.aead.Open(nil, nil, ciphertext[4:], []byte(context))
		if err == nil {
			return string(secret), nil
		}
	}
	return "", ErrUnknownKey
}

// IsCurrent reports whether a ciphertext was encrypted with the first key.
func (r *Keyring) IsCurrent(ciphertext []byte) bool {
	return r != nil && len(ciphertext) >= 4 && r.keys[0].id == keyID(ciphertext[:4])
}
