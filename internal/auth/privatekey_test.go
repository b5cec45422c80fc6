package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"
)

// must returns v, and panics on an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The keys of these tests. Each is made once, because an RSA key takes long to generate.
var (
	ed25519Key = sync.OnceValue(func() ed25519.PrivateKey {
		return must(x509.ParsePKCS8PrivateKey(der(NewPrivateKey()))).(ed25519.PrivateKey)
	})
	p256Key = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func der(file []byte) []byte {
	block, _ := pem.Decode(file)
	return block.Bytes
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(key any) string { return encodePEM("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))) }

func sec1(key *ecdsa.PrivateKey) string {
	return encodePEM("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key)))
}

func pkcs1(key *rsa.PrivateKey) string {
	return encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}
func spki(key any) string { return encodePEM("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(key))) }

func mustParseKeys(t testing.TB, files ...string) []PrivateKey {
	t.Helper()
	named := make([]KeyFile, len(files))
	for i, content := range files {
		named[i] = KeyFile{Name: string(rune('a'+i)) + ".pem", PEM: []byte(content)}
	}
	keys, err := ParsePrivateKeys(named)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestParsePrivateKeysAcceptsPEMFormats(t *testing.T) {
	t.Parallel()
	// openssl ecparam -name prime256v1 -genkey writes these before the key.
	parameters := encodePEM("EC PARAMETERS", []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07})
	for _, row := range []struct {
		name, content, alg string
	}{
		{"Ed25519 from NewPrivateKey", string(NewPrivateKey()), "EdDSA"},
		{"Ed25519 in PKCS #8", pkcs8(ed25519Key()), "EdDSA"},
		{"P-256 in PKCS #8", pkcs8(p256Key()), "ES256"},
		{"P-256 in SEC 1", sec1(p256Key()), "ES256"},
		{"P-256 in SEC 1 after its parameters", parameters + sec1(p256Key()), "ES256"},
		{"RSA in PKCS #8", pkcs8(rsaKey()), "RS256"},
		{"RSA in PKCS #1", pkcs1(rsaKey()), "RS256"},
		{"with Windows line endings", strings.ReplaceAll(pkcs8(ed25519Key()), "\n", "\r\n"), "EdDSA"},
		{"without a final line break", strings.TrimSpace(pkcs8(ed25519Key())), "EdDSA"},
		{"with text before the key, as RFC 7468 allows", "\n subject: Fieldgate\n" + pkcs8(ed25519Key()) + "\n\n", "EdDSA"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			k := mustParseKeys(t, row.content)[0].key
			if k.method.Alg() != row.alg {
				t.Errorf("got %s, want %s", k.method.Alg(), row.alg)
			}
			if n := len(must(base64.RawURLEncoding.Strict().DecodeString(k.id))); n != 32 {
				t.Errorf("got a key ID of %d bytes, want 32 (SHA-256)", n)
			}
			tokens := newTestTokens(t, func(c *TokenConfig) { c.PrivateKeys, c.Secrets = []PrivateKey{{k}}, nil })
			made := issueToken(t, tokens)
			header := decodeSegment(t, strings.Split(made, ".")[0])
			if want := (object{"alg": row.alg, "kid": k.id, "typ": "at+jwt"}); header.json() != want.json() {
				t.Errorf("got header %v, want %v", header, want)
			}
			if _, err := tokens.Verify(made); err != nil {
				t.Error(err)
			}
		})
	}
}

// Invalid files, and what the error says that they hold.
func TestInvalidKeyFileErrorSaysWhatItHolds(t *testing.T) {
	t.Parallel()
	good := pkcs8(ed25519Key())
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	short := shortRSAKey()
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	legacy := string(pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: []byte("encrypted"),
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00112233445566778899AABBCCDDEEFF"},
	}))
	for _, row := range []struct {
		name, content, holds string
	}{
		{"an empty file", "", "no PEM block"},
		{"a secret", "pxbDlPvYGlyFUVvbL5Vv4bLUNB3ZSq1w7wVbJ0JQG5s\n", "no PEM block"},
		{"DER", string(der([]byte(good))), "no PEM block"},
		{"a JWK", `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`, "no PEM block"},
		{"a truncated key", good[:len(good)-20], "no PEM block"},
		{"parameters without a key", encodePEM("EC PARAMETERS", []byte{6, 0}), "no PEM block"},
		{"P-224", pkcs8(must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))), "an ECDSA key on curve P-224"},
		{"P-384", pkcs8(p384), "an ECDSA key on curve P-384"},
		{"P-384 in SEC 1", sec1(p384), "an ECDSA key on curve P-384"},
		{"P-521", pkcs8(must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))), "an ECDSA key on curve P-521"},
		{"RSA of 1024 bits", pkcs8(short), "an RSA key of 1024 bits"},
		{"RSA of 1024 bits in PKCS #1", pkcs1(short), "an RSA key of 1024 bits"},
		{"X25519, which cannot sign", pkcs8(x25519), "a key that cannot sign"},
		{"an encrypted key", encodePEM("ENCRYPTED PRIVATE KEY", []byte("encrypted")), "an encrypted private key"},
		{"a key encrypted by RFC 1421", legacy, "an encrypted private key"},
		{"a public key", spki(ed25519Key().Public()), `a PEM block "PUBLIC KEY"`},
		{"an RSA public key", encodePEM("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), `a PEM block "RSA PUBLIC KEY"`},
		{"a certificate", certificate(), `a PEM block "CERTIFICATE"`},
		{"an OpenSSH key", encodePEM("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00")), `a PEM block "OPENSSH PRIVATE KEY"`},
		{"a long block type", encodePEM(strings.Repeat("X", 60), nil), `a PEM block "` + strings.Repeat("X", 40) + `"`},
		{"a key and a certificate", good + certificate(), "more than one PEM block"},
		{"a certificate and a key", certificate() + good, "more than one PEM block"},
		{"two keys", good + sec1(p256Key()), "more than one PEM block"},
		{"a damaged key and a good one", strings.Replace(good, "MC4C", "M*4C", 1) + good, "more than one PEM block"},
		{"a good key and a damaged one", good + strings.Replace(good, "MC4C", "M*4C", 1), "more than one PEM block"},
		{"data after the key", good + "pxbDlPvYGly", "data after the key"},
		{"a key that is not base64", strings.Replace(good, "MC4C", "M*4C", 1), "no PEM block"},
		{"zeros", encodePEM("PRIVATE KEY", make([]byte, 48)), `a PEM block "PRIVATE KEY" that is damaged or unsupported`},
		{"SEC 1 called PKCS #8", encodePEM("PRIVATE KEY", der([]byte(sec1(p256Key())))), `a PEM block "PRIVATE KEY" that is damaged or unsupported`},
		{"PKCS #8 called PKCS #1", encodePEM("RSA PRIVATE KEY", der([]byte(good))), `a PEM block "RSA PRIVATE KEY" that is damaged or unsupported`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParsePrivateKeys([]KeyFile{{"good.pem", pemOf(rsaKey())}, {"wrong.pem", []byte(row.content)}})
			want := `"wrong.pem" holds ` + row.holds + ", expected one private key in PEM: Ed25519, ECDSA P-256 or RSA of 2048 to 8192 bits. " +
				"Hint: create one with: fieldgate keys ed25519"
			if err == nil || err.Error() != want {
				t.Errorf("got\n\t%v\nwant\n\t%s", err, want)
			}
		})
	}
}

func pemOf(key any) []byte { return []byte(pkcs8(key)) }

// shortRSAKey returns an RSA key of 1024 bits, which Go parses but no longer generates.
func shortRSAKey() *rsa.PrivateKey {
	prime := func() *big.Int {
		for {
			p := must(rand.Prime(rand.Reader, 512))
			if new(big.Int).Mod(p, big.NewInt(65537)).Cmp(big.NewInt(1)) != 0 {
				return p
			}
		}
	}
	p, q, one := prime(), prime(), big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(big.NewInt(65537), phi), Primes: []*big.Int{p, q},
	}
	key.Precompute()
	return key
}

// A larger key would make tokens slow to sign and, at some size, longer than maxTokenBytes.
func TestRSAKeySizeIsBounded(t *testing.T) {
	t.Parallel()
	sized := func(bits uint) *rsa.PrivateKey {
		n := new(big.Int).SetBit(big.NewInt(1), int(bits-1), 1)
		return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}}
	}
	if _, err := signingKey(sized(8192)); err != nil {
		t.Error(err)
	}
	if _, err := signingKey(sized(8193)); err == nil || !strings.HasPrefix(err.Error(), "an RSA key of 8193 bits, ") {
		t.Error(err)
	}
}

func certificate() string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fieldgate"}}
	return encodePEM("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, p256Key().Public(), crypto.Signer(p256Key()))))
}

func TestParsePrivateKeysRejectsDuplicateKey(t *testing.T) {
	t.Parallel()
	_, err := ParsePrivateKeys([]KeyFile{{"a.pem", pemOf(p256Key())}, {"b.pem", pemOf(ed25519Key())}, {"c.pem", []byte(sec1(p256Key()))}})
	want := `"c.pem" holds the same key as "a.pem": expected a different key in each file. Hint: create one with: fieldgate keys ed25519`
	if err == nil || err.Error() != want {
		t.Errorf("got\n\t%v\nwant\n\t%s", err, want)
	}
}

func TestNewPrivateKeyIsUnique(t *testing.T) {
	t.Parallel()
	if bytes.Equal(NewPrivateKey(), NewPrivateKey()) {
		t.Error("got the same key twice")
	}
}

// The key of RFC 8037, appendix A, with the thumbprint given there.
func TestKeyIDIsRFC7638Thumbprint(t *testing.T) {
	t.Parallel()
	seed := must(base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	k := mustParseKeys(t, pkcs8(ed25519.NewKeyFromSeed(seed)))[0].key
	if want := "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"; k.id != want {
		t.Errorf("got %s, want %s", k.id, want)
	}
}
