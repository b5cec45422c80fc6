package config

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	makeOne    = ". Hint: create one with: fieldgate keys secret"
	badSecret  = "JWT_SECRET: (not shown) is not usable: expected "
	badPepper  = "PASSWORD_PEPPER: (not shown) is not usable: expected "
	whiteSpace = "a secret without leading or trailing white space"
	eitherEnd  = ". Hint: look for a space or a line break at either end"
)

var jwtSecretSamples = samples{
	of: func(c *Config) any { return strings.Join(c.JWTSecrets, " and ") },
	rows: []sample{
		{name: "32 bytes", value: strongSecret[:32], want: strongSecret[:32]},
		{name: "32 bytes in fewer characters", value: strings.Repeat("é", 16), want: strings.Repeat("é", 16)},
		{name: "a weak one in development", value: strings.Repeat("x", 32), want: strings.Repeat("x", 32)},
		{name: "a list", value: strongSecret + "," + anotherSecret, want: strongSecret + " and " + anotherSecret},
		{name: "white space within", value: "f1Z8 mC0qT-xW7uHn B5vR3eKyLdJ9aPoS", want: "f1Z8 mC0qT-xW7uHn B5vR3eKyLdJ9aPoS"},
		{name: "31 bytes", value: strongSecret[:31], err: badSecret + "at least 32 bytes" + makeOne},
		{name: "31 bytes in a list", value: strongSecret + "," + anotherSecret[:31], err: badSecret + "at least 32 bytes (secret 2 of 2)" + makeOne},
		{name: "the same twice", value: strongSecret + "," + anotherSecret + "," + strongSecret, err: badSecret + "each secret once (secret 3 of 3). Hint: to rotate, put a new secret in front of the old one; create one with: fieldgate keys secret"},
		{name: "a comma at the end", value: strongSecret + ",", err: badSecret + "no empty element in the comma-separated list (secret 2 of 2). Hint: remove the extra comma"},
		{name: "a comma at the start", value: "," + strongSecret, err: badSecret + "no empty element in the comma-separated list (secret 1 of 2). Hint: remove the extra comma"},
		{name: "a line break at the end", value: strongSecret + "\n", err: badSecret + whiteSpace + eitherEnd},
		{name: "a space after the comma", value: strongSecret + ", " + anotherSecret, err: badSecret + whiteSpace + " (secret 2 of 2)" + eitherEnd},
		{name: "nothing but white space", value: "  ", err: badSecret + whiteSpace + eitherEnd},
	},
}

var factorKeySamples = samples{
	of: func(c *Config) any { return strings.Join(c.FactorKeys, " and ") },
	rows: []sample{
		{name: "one key", value: strongSecret, want: strongSecret},
		{name: "a rotation", value: anotherSecret + "," + strongSecret, want: anotherSecret + " and " + strongSecret},
		{name: "31 bytes", value: strongSecret[:31], err: "FACTOR_KEYS: (not shown) is not usable: expected at least 32 bytes" + makeOne},
	},
}

var pepperSamples = samples{
	of: func(c *Config) any { return strings.Join(c.PasswordPeppers, " and ") },
	rows: []sample{
		{name: "16 bytes", value: anotherSecret[:16], want: anotherSecret[:16]},
		{name: "a list", value: anotherSecret + "," + strongSecret, want: anotherSecret + " and " + strongSecret},
		{name: "a comma of its own", value: `0123456789\,12345`, want: "0123456789,12345"},
		{name: "a list with a comma of its own", value: strongSecret + `,0123456789\,12345`, want: strongSecret + " and 0123456789,12345"},
		{
			name: "a comma that is not written so", value: "0123456789,12345",
			err: badPepper + `at least 16 bytes (pepper 1 of 2). Hint: write a comma inside a pepper as \,; create one with: fieldgate keys secret`,
		},
		{
			name: "a list with white space", value: strongSecret + ", " + anotherSecret,
			err: badPepper + `a secret without leading or trailing white space (pepper 2 of 2). Hint: write a comma inside a pepper as \,; look for a space or a line break at either end`,
		},
		{name: "the same twice", value: strongSecret + "," + strongSecret, err: badPepper + "each pepper once (pepper 2 of 2). Hint: to rotate, put a new pepper in front of the old one; create one with: fieldgate keys secret"},
		{
			name: "too many", value: strings.Join([]string{anotherSecret[:16], anotherSecret[:17], anotherSecret[:18], anotherSecret[:19]}, ","),
			err: badPepper + "at most 3 peppers. Hint: each sign-in computes one hash per pepper: remove the oldest",
		},
		{name: "a weak one in a list of production", value: strongSecret + ",changemechangeme", with: production(), err: badPepper + `a random secret in production, and this one contains a common word or a placeholder (pepper 2 of 2). Hint: write a comma inside a pepper as \,; create one with: fieldgate keys secret`},
		{name: "nothing", value: "", want: ""},
		{name: "15 bytes", value: anotherSecret[:15], err: badPepper + "at least 16 bytes" + makeOne},
		{name: "white space around it", value: " " + anotherSecret, err: badPepper + whiteSpace + eitherEnd},
	},
}

func TestWeakness(t *testing.T) {
	const word, few, repeats, sequence = "contains a common word or a placeholder", "has too few different characters", "repeats a short pattern", "is a sequence"
	tests := []struct{ name, secret, want string }{
		{"a random one in base64", strongSecret, ""},
		{"a random one in hex", anotherSecret, ""},
		{"a random one of 32 bytes", anotherSecret[:32], ""},
		{"a passphrase of random words", "gravel-otter-mimosa-plank-cubic-winter", ""},
		{"a random one that ends as it begins", anotherSecret[:31] + anotherSecret[:1], ""},
		{"a random one that is as long as two", anotherSecret + strongSecret, ""},
		{"changeme", "changeme-changeme-changeme-changeme", word},
		{"change-me", "please-change-me-before-you-go-live-1", word},
		{"jwt.io's placeholder", "your-256-bit-secret-0123456789abcdef", word},
		{"supersecret", "supersecretkeythatcannotbeguessed", word},
		{"a disguised secret", "My.Sup3r.S3cr3t.Key.For.Our.Tokens", word},
		{"password at the end", "8f2a61c7d3b94e05-MyLongP4$$w0rd-77", word},
		{"test", "test1234-8f2a61c7d3b94e058f2a61c7", word},
		{"Demo", "Demo8f2a61c7d3b94e058f2a61c7d3b94e05", word},
		{"letters that happen to spell test", "T3StND0Cykw2CgrMPqFo39TbcxgWc4ofEkHjb8rROws", ""},
		{"TEST behind digits", "12-TEST-8f2a61c7d3b94e058f2a61c7", word},
		{"this product's name", "fieldgate-8f2a61c7d3b94e058f2a61c7", word},
		{"one character", strings.Repeat("x", 40), few},
		{"seven characters", "abcdefgacbdfegabdcegfafbecgdabcgfed", few},
		{"a repeated word", strings.Repeat("batterystaple", 4), repeats},
		{"a repeated word, cut", strings.Repeat("batterystaple", 4)[:40], repeats},
		{"a random one that is too short, twice", anotherSecret[:31] + anotherSecret[:31], repeats},
		{"a random one that is long enough, twice", anotherSecret[:32] + anotherSecret[:32], ""},
		{"digits in turn", strings.Repeat("0123456789", 4), repeats},
		{"the alphabet", "abcdefghijklmnopqrstuvwxyz0123456789", sequence},
		{"the alphabet backwards", "zyxwvutsrqponmlkjihgfedcba9876543210", sequence},
		{"the alphabet doubled", "aabbccddeeffgghhiijjkkllmmnnooppqqrr", sequence},
		{"a keyboard", "qwertyuiopasdfghjklzxcvbnm1234567890", word},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Weakness(tt.secret); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Random secrets are accepted. The sample is fixed, because a few of all possible secrets are
// refused.
func TestRandomSecretsAreNotWeak(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	for range 20_000 {
		for _, secret := range randomSecrets(random) {
			if why := Weakness(secret); why != "" {
				t.Errorf("%q: got weakness %q, want none", secret, why)
			}
		}
	}
}

func TestErrorsNeverShowSecrets(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	for _, v := range variables {
		if !v.secret {
			continue
		}
		t.Run(v.name, func(t *testing.T) {
			for range 100 {
				for _, s := range randomSecrets(random) {
					for _, bad := range []string{s[:12], s + " ", "\t" + s, s + "," + s, s + ",", s[:15] + "\n" + s[:15], s + ",\x00" + s[:5]} {
						e := production()
						e[v.name] = bad
						_, err := Load(e.lookup)
						if v.name == "JWT_SECRET" && err == nil {
							t.Fatalf("%q: got no error, want one", bad)
						}
						if strings.Contains(errorText(err), s[:8]) || strings.Contains(errorText(err), s[len(s)-8:]) {
							t.Fatalf("the error contains a part of %q: %v", bad, err)
						}
					}
				}
			}
		})
	}
}

// randomSecrets returns random secrets in common encodings, each of at least 24 characters.
func randomSecrets(random *rand.ChaCha8) []string {
	b := make([]byte, 32)
	random.Read(b)
	return []string{
		base64.RawURLEncoding.EncodeToString(b),
		base64.StdEncoding.EncodeToString(b),
		hex.EncodeToString(b),
		randomText(random, " !\"#$%&'()*+-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"),
		randomText(random, "0123456789"),
	}
}

func randomText(random *rand.ChaCha8, alphabet string) string {
	digit := rand.New(random)
	var b strings.Builder
	b.WriteByte('7') // not white space
	for range 62 {   // of 40 digits, one in 30,000 lacks three
		b.WriteByte(alphabet[digit.IntN(len(alphabet))])
	}
	b.WriteByte('4')
	return b.String()
}
