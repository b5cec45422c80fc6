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

// PrivateKey signs access tokens; its public half is in the JWK Set, for everybody to verify them with.
// ParsePrivateKeys makes it.
type PrivateKey struct{ key key }

// KeyFile is the content of a file, with the name that errors call it by.
type KeyFile struct {
	Name string
	PEM  []byte
}

const keyHint = "make one with: fieldgate keys ed25519"

// ParsePrivateKeys reads one key from each file: Ed25519, ECDSA P-256 or RSA of 2048 bits or more, in PEM (RFC
// 7468), as PKCS #8, SEC 1 or PKCS #1, not encrypted. The error names the file and what is in it, and shows no
// part of that.
func ParsePrivateKeys(files []KeyFile) ([]PrivateKey, error) {
	keys := make([]PrivateKey, 0, len(files))
	holder := map[string]string{}
	for _, f := range files {
		k, err := parsePrivateKey(f.PEM)
		if err != nil {
			return nil, fmt.Errorf("%q holds %w. Hint: %s", f.Name, err, keyHint)
		}
		if other, taken := holder[k.id]; taken {
			return nil, fmt.Errorf("%q holds the same key as %q: expected another in each file. Hint: %s", f.Name, other, keyHint)
		}
		holder[k.id] = f.Name
		keys = append(keys, PrivateKey{k})
	}
	return keys, nil
}

// NewPrivateKey makes an Ed25519 key, in PEM: the smallest and fastest of the three kinds.
func NewPrivateKey() []byte {
	_, private, _ := ed25519.GenerateKey(nil) // never fails: randomness ends the program instead
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err) // only for a kind of key that it does not know
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

// invalidKeyFile says what a file holds that is no key for access tokens.
func invalidKeyFile(what string, args ...any) error {
	return fmt.Errorf(what+", expected one private key in PEM: Ed25519, ECDSA P-256 or RSA of 2048 to 8192 bits", args...)
}

// singleBlock refuses what is behind the key, because of two keys it could only be guessed which one is meant.
func singleBlock(file []byte) (*pem.Block, error) {
	block, rest := pem.Decode(file)
	blocks := 1
	if block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam -genkey writes them in front of the key, which names its curve itself
		block, rest = pem.Decode(rest)
		blocks++
	}
	switch {
	case block == nil:
		return nil, invalidKeyFile("nothing in PEM")
	case bytes.Count(file, []byte("-----BEGIN ")) > blocks: // pem.Decode passes over those that are damaged
		return nil, invalidKeyFile("more than one thing in PEM")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, invalidKeyFile("something behind the key")
	}
	return block, nil
}

func parseBlock(block *pem.Block) (private any, err error) {
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "": // RFC 5958, RFC 1421
		return nil, invalidKeyFile("a private key that is encrypted")
	case block.Type == "PRIVATE KEY":
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		private, err = x509.ParseECPrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, invalidKeyFile("a %.40q", block.Type)
	}
	if err != nil { // which might quote what it could not read
		return nil, invalidKeyFile("a %q that is damaged or of an unknown kind", block.Type)
	}
	return private, nil
}

const (
	minRSABits = 2048 // RFC 7518 section 3.3
	maxRSABits = 8192 // as in crypto/tls; the work of a signature grows with the cube
)

// signingKey gives a key the one algorithm that it is used with.
func signingKey(private any) (key, error) {
	switch p := private.(type) {
	case ed25519.PrivateKey:
		return asymmetricKey(jwt.SigningMethodEdDSA, p)
	case *ecdsa.PrivateKey:
		if p.Curve != elliptic.P256() {
			return key{}, invalidKeyFile("a key of the curve %s", p.Curve.Params().Name)
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
