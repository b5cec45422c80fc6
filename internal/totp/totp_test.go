package totp

import (
	"encoding/base32"
	"net/url"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"
)

// rfcSecret is the secret of the SHA-1 vectors in RFC 6238 appendix B.
var rfcSecret = base32.StdEncoding.EncodeToString([]byte("12345678901234567890"))

func TestMatchAcceptsVectorsOfRFC6238(t *testing.T) {
	t.Parallel()
	for _, vector := range []struct {
		unix int64
		code string // the last six of the eight digits
	}{
		{59, "287082"},
		{1111111109, "081804"},
		{1111111111, "050471"},
		{1234567890, "005924"},
		{2000000000, "279037"},
		{20000000000, "353130"},
	} {
		step, ok := Match(rfcSecret, vector.code, time.Unix(vector.unix, 0))
		if !ok || step != vector.unix/30 {
			t.Errorf("at %d: step %d, accepted %v; want step %d", vector.unix, step, ok, vector.unix/30)
		}
	}
}

func TestMatchAcceptsOneStepOfSkewOnly(t *testing.T) {
	t.Parallel()
	secret, now := NewSecret(), time.Unix(1_700_000_000, 0)
	current := now.Unix() / 30
	for skew := int64(-3); skew <= 3; skew++ {
		code, err := hotp.GenerateCode(secret, uint64(current+skew))
		if err != nil {
			t.Fatal(err)
		}
		step, ok := Match(secret, code, now)
		want := skew >= -1 && skew <= 1
		if ok != want || ok && step != current+skew {
			t.Errorf("a code %d steps away: step %d, accepted %v; want %v", skew, step-current, ok, want)
		}
	}
}

func TestMatchIgnoresSpacesAndRefusesOtherForms(t *testing.T) {
	t.Parallel()
	at := time.Unix(59, 0)
	for code, want := range map[string]bool{
		"287082": true, " 287 082 ": true, "": false, "87082": false, "94287082": false, "28708a": false, "２８７０８２": false,
	} {
		if _, ok := Match(rfcSecret, code, at); ok != want {
			t.Errorf("%q: accepted %v, want %v", code, ok, want)
		}
	}
	if _, ok := Match("not base32!", "287082", at); ok {
		t.Error("a damaged secret accepts a code")
	}
}

func TestNewSecretsAreLongAndDiffer(t *testing.T) {
	t.Parallel()
	a, b := NewSecret(), NewSecret()
	if len(a) != 32 || a == b {
		t.Errorf("secrets %q and %q, want two different ones of 32 characters (160 bits)", a, b)
	}
}

func TestURIIsReadByAuthenticatorApps(t *testing.T) {
	t.Parallel()
	uri := URI("Acme: Notes & Co", "ada+x@example.com", "ABC")
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Scheme != "otpauth" || parsed.Host != "totp" || parsed.Path != "/Acme Notes & Co:ada+x@example.com" {
		t.Errorf("the URI %s has the parts %s, %s, %s", uri, parsed.Scheme, parsed.Host, parsed.Path)
	}
	if q := parsed.Query(); q.Get("secret") != "ABC" || q.Get("issuer") != "Acme Notes & Co" {
		t.Errorf("the URI %s has the parameters %v", uri, q)
	}
}
