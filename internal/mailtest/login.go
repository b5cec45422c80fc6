package mailtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"
)

// loginServer is the server's side of LOGIN, which exists only as an Internet-Draft.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

const (
	scramSHA256 = "SCRAM-SHA-256"
	scramSalt   = "mailtest"
	scramRounds = 4096
	scramNonce  = "of-the-server"
)

// scramServer is the server's side of SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677).
type scramServer struct {
	user, password string
	check          func(user, password string) error
	step           int
	first, second  string // client-first-message-bare and server-first-message
}

func (s *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	s.step++
	switch s.step {
	case 1:
		return nil, false, nil // no initial response yet
	case 2:
		return s.begin(string(response))
	case 3:
		return s.verify(string(response))
	}
	return nil, true, s.check(s.user, s.password)
}

func (s *scramServer) begin(message string) ([]byte, bool, error) {
	bare, ok := strings.CutPrefix(message, "n,,")
	user, nonce, _ := strings.Cut(bare, ",r=")
	if !ok || user != "n="+s.user {
		return nil, false, smtp.ErrAuthFailed
	}
	s.first = bare
	s.second = fmt.Sprintf("r=%s%s,s=%s,i=%d", nonce, scramNonce, encode([]byte(scramSalt)), scramRounds)
	return []byte(s.second), false, nil
}

func (s *scramServer) verify(message string) ([]byte, bool, error) {
	salted, err := pbkdf2.Key(sha256.New, s.password, []byte(scramSalt), scramRounds, sha256.Size)
	if err != nil {
		return nil, false, err
	}
	withoutProof, proof, _ := strings.Cut(message, ",p=")
	signed := s.first + "," + s.second + "," + withoutProof
	clientKey := mac(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	want := make([]byte, sha256.Size)
	subtle.XORBytes(want, clientKey, mac(storedKey[:], signed))
	if !bytes.Equal([]byte(proof), []byte(encode(want))) {
		return nil, false, smtp.ErrAuthFailed
	}
	return []byte("v=" + encode(mac(mac(salted, "Server Key"), signed))), false, nil
}

func mac(key []byte, message string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
