// Package totp makes and checks time-based one-time passwords (RFC 6238).
package totp

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// Period is the time step X of RFC 6238 section 4: a code is valid for one step, and accepted for
// one step before and after it (section 5.2).
const Period = 30 * time.Second

const (
	digits      = otp.DigitsSix
	algorithm   = otp.AlgorithmSHA1 // the only one that all authenticator apps support
	secretBytes = 20                // the output length of SHA-1, as RFC 4226 section 4 recommends
	skew        = 1                 // steps
)

// NewSecret returns 160 random bits in base32 without padding.
func NewSecret() string {
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails: it ends the program instead
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}

// URI returns the key URI that authenticator apps read from a QR code. The issuer is the service's
// name, and the account tells several accounts of one issuer apart.
func URI(issuer, account, secret string) string {
	label := url.PathEscape(strings.ReplaceAll(issuer, ":", "")) + ":" + url.PathEscape(account)
	values := url.Values{"secret": {secret}, "issuer": {strings.ReplaceAll(issuer, ":", "")}}
	return fmt.Sprintf("otpauth://totp/%s?%s", label, strings.ReplaceAll(values.Encode(), "+", "%20"))
}

// Match returns the time step for which a code is valid at a time. Callers must accept each step at
// most once, and none before the last accepted one (RFC 6238 section 5.2). Spaces in the code are
// ignored, because apps show codes in groups. The comparison takes constant time.
func Match(secret, code string, at time.Time) (step int64, ok bool) {
	code = strings.Join(strings.Fields(code), "")
	now := at.Unix() / int64(Period/time.Second)
	for candidate := now - skew; candidate <= now+skew; candidate++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(candidate), hotp.ValidateOpts{Digits: digits, Algorithm: algorithm})
		if err != nil {
			return 0, false
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = candidate, true
		}
	}
	return step, ok
}
