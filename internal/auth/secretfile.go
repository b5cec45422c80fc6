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

// secretBytes is the size of what NewSecret makes: 384 random bits.
const secretBytes = 48

// NewSecret makes a key for HS256, in base64url.
func NewSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// SecretFile returns the secret in a file that only its owner can read, and makes it if it is not there. Of
// several processes that start at once, one makes it and all get the same.
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

// readSecret takes nothing but what NewSecret has made: a file that a full disk or a power cut has damaged may
// well be long enough, and anybody can guess that it is all zeros.
func readSecret(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(content))
	// Encoded again, because the decoder passes over line breaks and unused bits.
	b, _ := base64.RawURLEncoding.DecodeString(secret)
	if len(b) != secretBytes || base64.RawURLEncoding.EncodeToString(b) != secret {
		return "", fmt.Errorf("%s holds no key; delete it and a new one is made", path)
	}
	return secret, nil
}

// writeSecret lets the file appear with its content in it or not at all: a hard link does not replace.
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
