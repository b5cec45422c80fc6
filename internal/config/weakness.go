package config

import (
	"strings"
	"unicode"
)

// Weakness says why a secret is easy to guess; empty if no reason is found. It looks for what people type when they
// are asked for a secret. It cannot prove that a secret is random, and the limits are so wide that a random one, in hex
// or base64, is refused less than once in 100,000 times.
func Weakness(secret string) string {
	switch {
	case hasCommonWord(secret):
		return "holds a common word or a placeholder"
	case countDistinct(secret) < minDistinct(secret):
		return "has too few different characters"
	case isRepetition(secret):
		return "repeats a short pattern"
	case countDistinct(differences(secret)) < minDistinct(secret):
		return "is a sequence"
	}
	return ""
}

// minDistinct is how many different bytes a random secret has at the very least: one of 32 hex digits has about 14.
func minDistinct(secret string) int { return min(len(secret)/4, 8) }

func countDistinct(s string) int {
	var seen [256]bool
	n := 0
	for i := range len(s) {
		if !seen[s[i]] {
			seen[s[i]] = true
			n++
		}
	}
	return n
}

// differences returns the differences from each byte to the next: few kinds in abcd…, 9876…, aabbcc….
func differences(s string) string {
	d := make([]byte, len(s)-1)
	for i := range d {
		d[i] = s[i+1] - s[i]
	}
	return string(d)
}

// isRepetition reports whether the secret is a pattern that is too short by itself, said at least twice.
func isRepetition(secret string) bool {
	for period := 1; period <= len(secret)/2 && period < minJWTSecret; period++ {
		if secret[period:] == secret[:len(secret)-period] {
			return true
		}
	}
	return false
}

var (
	// commonWords are long enough not to turn up in a random secret.
	commonWords = []string{
		"secret", "password", "passwd", "passphrase", "changeme", "changethis", "changeit", "replaceme", "replacethis",
		"example", "default", "placeholder", "insecure", "development", "production", "fieldgate", "letmein", "qwerty",
		"asdfgh", "iloveyou",
	}
	// commonPrefixes are not, so they count at the start only, and as people write them: test, Test and TEST, not tE5t.
	commonPrefixes = []string{"test", "your", "demo", "admin"}

	// leetReplacer undoes what people do to a word that was refused: S3cr3t.
	leetReplacer = strings.NewReplacer("0", "o", "3", "e", "4", "a", "5", "s", "@", "a", "$", "s")
)

func hasCommonWord(secret string) bool {
	letters := strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, leetReplacer.Replace(strings.ToLower(secret)))
	for _, word := range commonWords {
		if strings.Contains(letters, word) {
			return true
		}
	}
	start := strings.TrimLeftFunc(secret, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, word := range commonPrefixes {
		title := strings.ToUpper(word[:1]) + word[1:]
		if strings.HasPrefix(start, word) || strings.HasPrefix(start, title) || strings.HasPrefix(start, strings.ToUpper(word)) {
			return true
		}
	}
	return false
}
