package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// secretBytes is the length of a secret of NewSecret: 384 random bits.
const secretBytes = 48

// NewSecret returns a random HS256 secret in base64url.
func NewSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails: without randomness the runtime aborts
	return base64.RawURLEncoding.EncodeToString(b)
}

// SecretFile returns the secret in a file, and creates the file with mode 0600 if it does not
// exist. Processes that start at the same time all get the same secret.
func SecretFile(path string) (string, error) {
	secret, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := writeSecret(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return readSecret(path)
}

// readSecret accepts only what NewSecret returns. A file damaged by a full disk or a power loss may
// be long enough and still be all zeros, which an attacker can guess.
func readSecret(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(content))
	// The value is encoded again because the decoder ignores line breaks and unused bits.
	b, _ := base64.RawURLEncoding.DecodeString(secret)
	if len(b) != secretBytes || base64.RawURLEncoding.EncodeToString(b) != secret {
		return "", fmt.Errorf("%s holds no valid secret: delete the file, and the next start creates a new one", path)
	}
	return secret, nil
}

// writeSecret creates the file atomically with its content. A hard link never replaces a file.
func writeSecret(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(NewSecret() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}
