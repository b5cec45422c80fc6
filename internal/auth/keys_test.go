package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func newTokensWithKeys(t testing.TB, private []PrivateKey, secrets ...string) *Tokens {
	t.Helper()
	return newTestTokens(t, func(c *TokenConfig) { c.PrivateKeys, c.Secrets = private, secrets })
}

func TestNewTokensRequiresKey(t *testing.T) {
	t.Parallel()
	_, err := NewTokens(TokenConfig{Issuer: issuer, Audience: audience, TTL: MaxTTL, KnownRole: func(string) bool { return true }, Now: newTestTokens(t).config.Now})
	if err == nil {
		t.Error("got no error, want one without a key")
	}
}

// The tests change the keys of a deployment and check whether earlier tokens remain valid.
func TestKeyRotationKeepsTokensOfRemainingKeys(t *testing.T) {
	t.Parallel()
	ed, p256, rsa := mustParseKeys(t, pkcs8(ed25519Key())), mustParseKeys(t, pkcs8(p256Key())), mustParseKeys(t, pkcs8(rsaKey()))
	list := func(lists ...[]PrivateKey) (all []PrivateKey) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	for _, row := range []struct {
		name          string
		before, after *Tokens
		good          bool
		alg           string // of new tokens
	}{
		{"a new key announced", newTokensWithKeys(t, ed), newTokensWithKeys(t, list(ed, p256)), true, "EdDSA"},
		{"a new key put first", newTokensWithKeys(t, list(ed, p256)), newTokensWithKeys(t, list(p256, ed)), true, "ES256"},
		{"the old key put first again", newTokensWithKeys(t, list(p256, ed)), newTokensWithKeys(t, list(ed, p256)), true, "EdDSA"},
		{"three keys", newTokensWithKeys(t, rsa), newTokensWithKeys(t, list(ed, p256, rsa)), true, "EdDSA"},
		{"the old key removed", newTokensWithKeys(t, ed), newTokensWithKeys(t, p256), false, "ES256"},
		{"another key of the same kind", newTokensWithKeys(t, ed), newTokensWithKeys(t, mustParseKeys(t, string(NewPrivateKey()))), false, "EdDSA"},
		{"from a secret to a key, the secret kept", newTokensWithKeys(t, nil, secret), newTokensWithKeys(t, rsa, secret), true, "RS256"},
		{"from two secrets to a key, both kept", newTokensWithKeys(t, nil, oldSecret), newTokensWithKeys(t, rsa, secret, oldSecret), true, "RS256"},
		{"from a secret to a key, the secret removed", newTokensWithKeys(t, nil, secret), newTokensWithKeys(t, rsa), false, "RS256"},
		{"from a key to a secret", newTokensWithKeys(t, rsa), newTokensWithKeys(t, nil, secret), false, "HS256"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, err := row.after.Verify(issueToken(t, row.before)); (err == nil) != row.good {
				t.Errorf("got %v, want valid: %t", err, row.good)
			}
			made := issueToken(t, row.after)
			if _, err := row.after.Verify(made); err != nil {
				t.Errorf("a new token is invalid: %v", err)
			}
			if alg := decodeSegment(t, strings.Split(made, ".")[0])["alg"]; alg != row.alg {
				t.Errorf("got algorithm %s, want %s", alg, row.alg)
			}
		})
	}
}

// Each key is used with its own algorithm, whatever a token's header says. A public key is no
// secret.
func TestTokenSignedByAnotherKeyIsInvalid(t *testing.T) {
	t.Parallel()
	keys := mustParseKeys(t, pkcs8(ed25519Key()), pkcs8(p256Key()), pkcs8(rsaKey()))
	tokens := newTokensWithKeys(t, keys, secret)
	claims := goodClaims().json()
	header := func(alg, kid string) string {
		return object{"alg": alg, "kid": kid, "typ": "at+jwt"}.json()
	}
	refused := func(name, token string) {
		t.Helper()
		var why *UnauthenticatedError
		if _, err := tokens.Verify(token); !errors.As(err, &why) || why.Reason != Invalid {
			t.Errorf("%s: got %v, want reason Invalid", name, err)
		}
	}

	for _, signer := range keys {
		alg := signer.key.method.Alg()
		good := issueToken(t, newTokensWithKeys(t, []PrivateKey{signer}))
		if _, err := tokens.Verify(good); err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(good, ".")
		body, signature, _ := strings.Cut(rest, ".")
		refused(alg+" cut off", head+"."+body+"."+signature[:len(signature)-2])
		refused(alg+" without a signature", head+"."+body+".")
		refused(alg+" over other claims", head+"."+encodeSegment(claims)+"."+signature)
		refused(alg+" all zeros", head+"."+body+"."+strings.Repeat("A", len(signature)))
		for _, none := range []string{"none", "None", "NONE", ""} {
			refused(alg+" become "+none, encodeSegment(header(none, signer.key.id))+"."+body+".")
		}
		for _, other := range keys {
			if other.key.id == signer.key.id {
				continue
			}
			// Signed by one key with the ID of another, and the algorithm of either.
			for _, alg := range []string{alg, other.key.method.Alg()} {
				signed := encodeSegment(header(alg, other.key.id)) + "." + encodeSegment(claims)
				made := must(signer.key.method.Sign(signed, signer.key.sign))
				refused(alg+" by another key", signed+"."+base64.RawURLEncoding.EncodeToString(made))
			}
		}
		for form, public := range publicKeyEncodings(t, signer) {
			for _, kid := range []string{signer.key.id, hmacKeyID(secret), hmacKeyID(public), ""} {
				for _, alg := range []string{"HS256", alg} {
					signed := encodeSegment(header(alg, kid)) + "." + encodeSegment(claims)
					refused(alg+" with a public key as the secret: "+form, signed+"."+hmacSign(sha256.New, public, signed))
				}
			}
		}
	}

	// An HMAC token with the ID of a private key.
	signed := encodeSegment(header("HS256", keys[2].key.id)) + "." + encodeSegment(claims)
	refused("HS256 with our secret under the id of a private key", signed+"."+hmacSign(sha256.New, secret, signed))
}

// publicKeyEncodings returns the encodings of a public key that an attacker could use as an HMAC
// secret.
func publicKeyEncodings(t testing.TB, p PrivateKey) map[string]string {
	t.Helper()
	spki := must(x509.MarshalPKIXPublicKey(p.key.verify))
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	set := string(newTokensWithKeys(t, []PrivateKey{p}).keys.public)
	forms := map[string]string{
		"DER": string(spki), "PEM": text, "PEM without its last line end": strings.TrimSpace(text),
		"the JWK Set": set, "the JWK": strings.TrimSuffix(strings.TrimPrefix(set, `{"keys":[`), `]}`), "the key's id": p.key.id,
	}
	switch public := p.key.verify.(type) {
	case ed25519.PublicKey:
		forms["its bytes"] = string(public)
	case *ecdsa.PublicKey:
		forms["its point"] = string(must(public.Bytes()))
	default:
		forms["PKCS #1"] = string(x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey))
		forms["its modulus"] = string(rsaKey().N.Bytes())
	}
	return forms
}

// A key has one algorithm, although its type supports others. A valid signature of another
// algorithm is rejected.
func TestKeyAcceptsOnlyItsOwnAlgorithm(t *testing.T) {
	t.Parallel()
	keys := mustParseKeys(t, pkcs8(p256Key()), pkcs8(rsaKey()), pkcs8(ed25519Key()))
	tokens := newTokensWithKeys(t, keys)
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for _, row := range []struct {
		alg    string
		key    key
		method jwt.SigningMethod // the actual signing method
	}{
		{"RS384", keys[1].key, jwt.SigningMethodRS384},
		{"RS512", keys[1].key, jwt.SigningMethodRS512},
		{"PS256", keys[1].key, jwt.SigningMethodPS256},
		{"PS384", keys[1].key, jwt.SigningMethodPS384},
		{"PS512", keys[1].key, jwt.SigningMethodPS512},
		{"RS256", keys[1].key, jwt.SigningMethodPS256},
		{"rs256", keys[1].key, jwt.SigningMethodRS256},
		{"ES384", keys[0].key, jwt.SigningMethodES256},
		{"ES256K", keys[0].key, jwt.SigningMethodES256},
		{"Ed25519", keys[2].key, jwt.SigningMethodEdDSA}, // RFC 9864; Issue writes EdDSA
		{"eddsa", keys[2].key, jwt.SigningMethodEdDSA},
	} {
		signed := encodeSegment(object{"alg": row.alg, "kid": row.key.id, "typ": "at+jwt"}.json()) + "." + encodeSegment(goodClaims().json())
		signature := must(row.method.Sign(signed, row.key.sign))
		if _, err := tokens.Verify(signed + "." + base64.RawURLEncoding.EncodeToString(signature)); err == nil {
			t.Errorf("%s signed by %s is accepted as %s", row.alg, row.method.Alg(), row.key.method.Alg())
		}
	}
	signed := encodeSegment(object{"alg": "ES256", "kid": keys[0].key.id, "typ": "at+jwt"}.json()) + "." + encodeSegment(goodClaims().json())
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, p384, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	if _, err := tokens.Verify(signed + "." + base64.RawURLEncoding.EncodeToString(signature)); err == nil {
		t.Error("a P-384 signature is accepted for a P-256 key")
	}
}
