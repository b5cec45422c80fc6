package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// PrivateKey signs access tokens. The JWK Set publishes its public key for verification. Use
// ParsePrivateKeys to make one.
type PrivateKey struct{ key key }

// KeyFile is the content of a file, and the name that errors give it.
type KeyFile struct {
	Name string
	PEM  []byte
}

const keyHint = "create one with: fieldgate keys ed25519"

// ParsePrivateKeys reads one unencrypted key from each PEM file (RFC 7468): Ed25519, ECDSA P-256 or
// RSA of 2048 to 8192 bits, as PKCS #8, SEC 1 or PKCS #1. The error names the file and what it
// holds, and quotes none of its content.
func ParsePrivateKeys(files []KeyFile) ([]PrivateKey, error) {
	keys := make([]PrivateKey, 0, len(files))
	fileOf := map[string]string{}
	for _, f := range files {
		k, err := parsePrivateKey(f.PEM)
		if err != nil {
			return nil, fmt.Errorf("%q holds %w. Hint: %s", f.Name, err, keyHint)
		}
		if other, isDuplicate := fileOf[k.id]; isDuplicate {
			return nil, fmt.Errorf("%q holds the same key as %q: expected a different key in each file. Hint: %s",
				f.Name, other, keyHint)
		}
		fileOf[k.id] = f.Name
		keys = append(keys, PrivateKey{k})
	}
	return keys, nil
}

// NewPrivateKey makes an Ed25519 key in PEM. Ed25519 is the smallest and fastest of the three
// kinds.
func NewPrivateKey() []byte {
	_, private, _ := ed25519.GenerateKey(nil) // never fails: without randomness the runtime aborts
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err) // only for an unsupported key type
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func parsePrivateKey(file []byte) (key, error) {
	block, err := singleBlock(file)
	if err != nil {
		return key{}, err
	}
	private, err := parseBlock(block)
	if err != nil {
		return key{}, err
	}
	return signingKey(private)
}

// invalidKeyFile reports what a file holds in place of a usable key.
func invalidKeyFile(what string, args ...any) error {
	return fmt.Errorf(what+", expected one private key in PEM: Ed25519, ECDSA P-256 or RSA of 2048 to 8192 bits", args...)
}

// singleBlock returns the PEM block of a key. It rejects any data after the key: of two keys it
// could not tell which is meant.
func singleBlock(file []byte) (*pem.Block, error) {
	block, rest := pem.Decode(file)
	blocks := 1
	// openssl ecparam -genkey writes the parameters before the key, which names its curve as well.
	if block != nil && block.Type == "EC PARAMETERS" {
		block, rest = pem.Decode(rest)
		blocks++
	}
	switch {
	case block == nil:
		return nil, invalidKeyFile("no PEM block")
	case bytes.Count(file, []byte("-----BEGIN ")) > blocks: // pem.Decode skips damaged blocks
		return nil, invalidKeyFile("more than one PEM block")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, invalidKeyFile("data after the key")
	}
	return block, nil
}

func parseBlock(block *pem.Block) (private any, err error) {
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "": // RFC 5958, 1421
		return nil, invalidKeyFile("an encrypted private key")
	case block.Type == "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, invalidKeyFile("a PEM block %.40q", block.Type)
	}
	if err != nil { // not wrapped: it may quote the content
		return nil, invalidKeyFile("a PEM block %q that is damaged or unsupported", block.Type)
	}
	return private, nil
}

const (
	minRSABits = 2048 // RFC 7518 section 3.3
	maxRSABits = 8192 // as in crypto/tls; the work of a signature grows with the cube
)

// signingKey returns the key with the one algorithm that it is used with.
func signingKey(private any) (key, error) {
	switch p := private.(type) {
	case ed25519.PrivateKey:
		return asymmetricKey(jwt.SigningMethodEdDSA, p)
	case *ecdsa.PrivateKey:
		if p.Curve != elliptic.P256() {
			return key{}, invalidKeyFile("an ECDSA key on curve %s", p.Curve.Params().Name)
		}
		return asymmetricKey(jwt.SigningMethodES256, p)
	case *rsa.PrivateKey:
		if bits := p.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return key{}, invalidKeyFile("an RSA key of %d bits", bits)
		}
		return asymmetricKey(jwt.SigningMethodRS256, p)
	}
	return key{}, invalidKeyFile("a key that cannot sign") // X25519
}

func asymmetricKey(method jwt.SigningMethod, private crypto.Signer) (key, error) {
	id, err := thumbprint(private.Public())
	if err != nil {
		return key{}, fmt.Errorf("a key that cannot be published: %w", err)
	}
	return key{id: id, method: method, sign: private, verify: private.Public()}, nil
}
