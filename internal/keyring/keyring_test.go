package keyring

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func newKeyText() string { return rand.Text() + rand.Text() }

func newRing(t *testing.T, keys ...string) *Keyring {
	t.Helper()
	ring, err := New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestKeyringOpensWhatAnyOfItsKeysEncrypted(t *testing.T) {
	t.Parallel()
	before, after := newKeyText(), newKeyText()
	old := newRing(t, before).Encrypt("secret", "row 1")
	rotated := newRing(t, after, before)
	if secret, err := rotated.Decrypt(old, "row 1"); err != nil || secret != "secret" {
		t.Errorf("after the rotation: %q, %v", secret, err)
	}
	if rotated.IsCurrent(old) || !rotated.IsCurrent(rotated.Encrypt("secret", "row 1")) {
		t.Error("IsCurrent does not tell the first key from the others")
	}
	if _, err := newRing(t, after).Decrypt(old, "row 1"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("without the old key: %v, want ErrUnknownKey", err)
	}
}

func TestCiphertextIsBoundToItsContextAndUnchanged(t *testing.T) {
	t.Parallel()
	ring := newRing(t, newKeyText())
	sealed := ring.Encrypt("secret", "row 1")
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("the ciphertext shows the secret")
	}
	if bytes.Equal(sealed, ring.Encrypt("secret", "row 1")) {
		t.Error("one secret has one ciphertext, so a reader of the database sees equal secrets")
	}
	if _, err := ring.Decrypt(sealed, "row 2"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("in another row: %v, want ErrUnknownKey", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := ring.Decrypt(changed, "row 1"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("with byte %d changed: %v, want ErrUnknownKey", i, err)
		}
		if _, err := ring.Decrypt(sealed[:i], "row 1"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("cut to %d bytes: %v, want ErrUnknownKey", i, err)
		}
	}
}

func TestNewRejectsShortAndRepeatedKeys(t *testing.T) {
	t.Parallel()
	good := newKeyText()
	for _, keys := range [][]string{{good[:31]}, {""}, {good, good}, {good, "x"}} {
		if _, err := New(keys); err == nil {
			t.Errorf("New(%q) returned no error", keys)
		} else if strings.Contains(err.Error(), good) {
			t.Errorf("the error shows a key: %v", err)
		}
	}
	if ring, err := New(nil); ring != nil || err != nil {
		t.Errorf("New without keys: %v, %v; want nil, nil", ring, err)
	}
	if _, err := (*Keyring)(nil).Decrypt([]byte("12345"), ""); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a nil keyring: %v, want ErrUnknownKey", err)
	}
}
