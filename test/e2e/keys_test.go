package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

// signingKey is a private key in a file, as an operator provides it.
type signingKey struct {
	crypto.Signer
	file, alg string
}

// newSigningKey writes a new key to a file. Each algorithm uses another one of the accepted file
// formats.
func newSigningKey(t *testing.T, alg string) signingKey {
	t.Helper()
	key := signingKey{file: filepath.Join(t.TempDir(), alg+".pem"), alg: alg}
	var file []byte
	switch alg {
	case "EdDSA":
		_, stdout, stderr := servertest.RunCLI(t, nil, "", "keys", "ed25519")
		if stderr != "" {
			t.Fatal(stderr)
		}
		file = []byte(stdout)
		block, _ := pem.Decode(file)
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		key.Signer = private.(ed25519.PrivateKey)
	case "ES256":
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalECPrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		key.Signer, file = private, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	case "RS256":
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		key.Signer, file = private, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})
	}
	if err := os.WriteFile(key.file, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return key
}

// publicPEM returns the public key as PEM, as an attacker can derive it from the JWK Set.
func (k signingKey) publicPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// hmacTokenWithPublicKey returns a forged token: HS256 with the public key as the secret, and the
// key's id.
func hmacTokenWithPublicKey(t *testing.T, public []byte, kid any, claims map[string]any) string {
	t.Helper()
	signed := encodeSegment(t, map[string]any{"alg": "HS256", "kid": kid, "typ": "at+jwt"}) + "." + encodeSegment(t, claims)
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func encodeSegment(t *testing.T, o map[string]any) string {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeToken decodes a token without verifying it.
func decodeToken(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	for i, o := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, o); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// jwks requests the JWK Set.
func (b *testServer) jwks(ifNoneMatch string) (a *servertest.Response, keys []map[string]string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.URL+"/.well-known/jwks.json", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("If-None-Match", ifNoneMatch)
	a = b.Do(r)
	if a.Status == http.StatusNotModified {
		return a, nil
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(a.Body), &set); err != nil || a.Status != http.StatusOK {
		b.t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	return a, set.Keys
}

// wantMe checks that me is the user of the token.
func (b *testServer) wantMe(p *servertest.User, when string) {
	b.t.Helper()
	if got := b.Query(p, `{ me { id } }`); got.At("me.id") != p.ID {
		b.t.Errorf("%s: %s", when, got.Body)
	}
}

var algorithms = []string{"EdDSA", "ES256", "RS256"}

func TestPrivateKeysSignTokensAndPublishJWKS(t *testing.T) {
	t.Parallel()
	members := map[string][]string{
		"EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"RS256": {"alg", "e", "kid", "kty", "n", "use"},
	}
	for _, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			key := newSigningKey(t, alg)
			b := boot(t, dbtest.SQLite(t), "JWT_SECRET", "", "JWT_PRIVATE_KEY_FILES", key.file)
			p := b.NewUser("USER")
			b.wantMe(p, "with a new token")

			_, keys := b.jwks("")
			header, claims := decodeToken(t, p.Token)
			if len(keys) != 1 || keys[0]["kid"] != header["kid"] || keys[0]["alg"] != alg || header["alg"] != alg || keys[0]["use"] != "sig" {
				t.Fatalf("keys %v, header %v", keys, header)
			}
			names := []string{}
			for name := range keys[0] {
				names = append(names, name)
			}
			if slices.Sort(names); !slices.Equal(names, members[alg]) {
				t.Errorf("got members %q, want %q", names, members[alg])
			}

			forged := hmacTokenWithPublicKey(t, key.publicPEM(t), header["kid"], claims)
			if got := b.Query(&servertest.User{Token: forged}, `{ me { id } }`); got.At("me") != nil || got.Errors[0].Extensions["reason"] != "invalid" {
				t.Errorf("HMAC with the public key: %s", got.Body)
			}
			if _, err := os.Stat(strings.TrimPrefix(b.internal.Config.DatabaseURL, "sqlite://") + ".key"); err == nil {
				t.Error("the server created a secret although it has private keys")
			}
		})
	}
}

func TestJWKSIsPublicAndCacheable(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "JWT_PRIVATE_KEY_FILES", newSigningKey(t, "EdDSA").file)
	got, keys := b.jwks("")
	if len(keys) != 1 {
		t.Errorf("got %d keys, want the public key and not the secret", len(keys))
	}
	for name, want := range map[string]string{
		"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Header.Get(name), want)
		}
	}
	again, _ := b.jwks(got.Header.Get("ETag"))
	if again.Status != http.StatusNotModified || again.Body != "" || again.Header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%d %q %v", again.Status, again.Body, again.Header)
	}
}

func TestJWKSOfASecretIsEmpty(t *testing.T) {
	t.Parallel()
	if got, _ := boot(t, dbtest.SQLite(t)).jwks(""); got.Body != `{"keys":[]}` {
		t.Error(got.Body)
	}
}

// Each step of the rotation is a restart on the same database. Sessions stay; only a client whose
// token was signed with the removed key must refresh.
func TestKeyRotationKeepsSessions(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	oldKey, newKey := newSigningKey(t, "RS256"), newSigningKey(t, "EdDSA")
	restart := func(files ...string) *testServer {
		return boot(t, databaseURL, "JWT_SECRET", "", "JWT_PRIVATE_KEY_FILES", strings.Join(files, ","))
	}
	wantSet := func(b *testServer, algs ...string) {
		t.Helper()
		_, keys := b.jwks("")
		got := make([]string, len(keys))
		for i, k := range keys {
			got[i] = k["alg"]
		}
		if !slices.Equal(got, algs) {
			t.Errorf("got keys %q, want %q", got, algs)
		}
	}
	wantSigner := func(p *servertest.User, alg string) {
		t.Helper()
		if header, _ := decodeToken(t, p.Token); header["alg"] != alg {
			t.Errorf("got algorithm %v, want %s", header["alg"], alg)
		}
	}

	b := restart(oldKey.file)
	early := b.NewUser("USER")
	wantSigner(early, "RS256")

	b = restart(oldKey.file, newKey.file)
	wantSet(b, "RS256", "EdDSA")
	b.wantMe(early, "with the new key published")
	announced := b.NewUser("USER")
	wantSigner(announced, "RS256")

	b = restart(newKey.file, oldKey.file)
	wantSet(b, "EdDSA", "RS256")
	b.wantMe(early, "with the new key first")
	b.wantMe(announced, "with the new key first")
	late := b.newDevice(early, false)
	wantSigner(late.User, "EdDSA")
	restart(oldKey.file, newKey.file).wantMe(late.User, "at a replica with the old order of keys")

	b = restart(newKey.file)
	wantSet(b, "EdDSA")
	b.wantMe(late.User, "with the old key removed")
	if got := b.Query(early, `{ me { id } }`); got.At("me") != nil || got.Errors[0].Extensions["reason"] != "invalid" {
		t.Errorf("a token whose key was removed: %s", got.Body)
	}
	b.mustRefresh(late.refresh)
}

func TestSwitchFromSecretToKeyKeepsSessions(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.SQLite(t)
	key := newSigningKey(t, "ES256")
	before := boot(t, databaseURL)
	device := before.newDevice(before.NewUser("USER"), false)

	// boot sets the secret too.
	b := boot(t, databaseURL, "JWT_PRIVATE_KEY_FILES", key.file)
	b.wantMe(device.User, "with a token of the secret")
	after := b.NewUser("USER")
	if header, _ := decodeToken(t, after.Token); header["alg"] != "ES256" {
		t.Errorf("got algorithm %v, want ES256", header["alg"])
	}

	b = boot(t, databaseURL, "JWT_SECRET", "", "JWT_PRIVATE_KEY_FILES", key.file)
	b.wantMe(after, "with the secret removed")
	b.mustRefresh(device.refresh)
}

func TestInvalidKeyFileStopsTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	public := filepath.Join(dir, "public.pem")
	key := newSigningKey(t, "ES256")
	if err := os.WriteFile(public, key.publicPEM(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, files, want string }{
		{"a missing file", filepath.Join(dir, "nowhere.pem"), "nowhere.pem"},
		{"a folder", dir, filepath.Base(dir)},
		{"a public key", public, `public.pem" holds a PEM block "PUBLIC KEY", expected one private key in PEM`},
		{"a public key after a valid key", key.file + "," + public, `public.pem" holds`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := servertest.Options(t, dbtest.SQLite(t), &servertest.Log{}, "JWT_PRIVATE_KEY_FILES", row.files)
			_, err := server.New(s)
			if err == nil || !strings.HasPrefix(err.Error(), "JWT_PRIVATE_KEY_FILES: ") || !strings.Contains(err.Error(), row.want) ||
				!strings.Contains(err.Error(), "Hint: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %s and a hint", err, row.want)
			}
		})
	}
}
