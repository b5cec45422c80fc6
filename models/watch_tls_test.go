package models

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
)

// newCertificate writes a certificate for the loopback interface and its key to files that other
// users can read.
func newCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	requireNoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	content, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	requireNoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	requireNoError(t, err)
	dir := dbtest.Directory(t)
	write := func(name, kind string, content []byte) string {
		file := filepath.Join(dir, name)
		requireNoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o644))
		return file
	}
	return write("certificate.pem", "CERTIFICATE", content), write("key.pem", "PRIVATE KEY", secret)
}

// The driver adds TLS on top of the watched connection.
func TestWatchWorksOverTLS(t *testing.T) {
	t.Parallel()
	certificate, key := newCertificate(t)
	node := clustertest.Single(t, "--ssl-cert="+certificate, "--ssl-key="+key)
	f := clustertest.Forward(t, hostOf(t, node.URL()))
	s := openStore(t, f.URL(node.URL())+"?tls=skip-verify", Options{MaxConnections: 4})
	migrate(t, s)
	ctx := testContext(t)
	u := createUser(t, s, newUser("ada@example.com"))
	if got := queryAll[string](t, s, "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'"); got[0] == "" {
		t.Fatal("the connection is not encrypted")
	}
	read := func() error { _, err := s.UserByID(ctx, u.ID); return err }
	c := startLoad(t, s, 8, s.Ping)
	f.Swallow(clustertest.HoleAfterAccept)
	eventually(t, 3*time.Second, "the circuit opens", func() error {
		if !s.Connections().CircuitOpen {
			return errors.New("it is closed")
		}
		return nil
	})
	f.Restore()
	eventually(t, 2*time.Second, "the database answers", read)
	c.end()
	execOutside(t, node.URL(), "SET GLOBAL read_only = ON")
	eventually(t, 2*time.Second, "reads are refused", func() error { return matchError(read(), ErrReadOnly) })
	execOutside(t, node.URL(), "SET GLOBAL read_only = OFF")
	eventually(t, 2*time.Second, "reads are answered", read)
}
