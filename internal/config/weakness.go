package config

import (
	"strings"
	"unicode"
)

// Weakness returns why a secret is easy to guess, or "" if it finds no reason. It detects what
// people type when asked for a secret. It cannot prove that a secret is random. Its thresholds are
// lenient: a random secret, in hex or base64, is refused less than once in 100,000 times.
func Weakness(secret string) string {
	switch {
	case hasCommonWord(secret):
		return "contains a common word or a placeholder"
	case countDistinct(secret) < minDistinct(secret):
		return "has too few different characters"
	case isRepetition(secret):
		return "repeats a short pattern"
	case countDistinct(differences(secret)) < minDistinct(secret):
		return "is a sequence"
	}
	return ""
}

// minDistinct is the minimum number of distinct bytes of a random secret. One of 32 hex digits has
// about 14.
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

// differences returns the differences between consecutive bytes. A sequence such as abcd…, 9876… or
// aabbcc… has few distinct ones.
func differences(s string) string {
	d := make([]byte, len(s)-1)
	for i := range d {
		d[i] = s[i+1] - s[i]
	}
	return string(d)
}

// isRepetition reports whether the secret is a pattern that is too short on its own, repeated at
// least once.
func isRepetition(secret string) bool {
	for period := 1; period <= len(secret)/2 && period < minJWTSecret; period++ {
		if secret[period:] == secret[:len(secret)-period] {
			return true
		}
	}
	return false
}

var (
	// commonWords are long enough not to occur by chance in a random secret.
	commonWords = []string{
		"secret", "password", "passwd", "passphrase", "changeme", "changethis", "changeit", "replaceme", "replacethis",
		"example", "default", "placeholder", "insecure", "development", "production", "fieldgate", "letmein", "qwerty",
		"asdfgh", "iloveyou",
	}
	// commonPrefixes are shorter, so they count only at the start, and only as people write them:
	// test, Test and TEST, not tE5t.
	commonPrefixes = []string{"test", "your", "demo", "admin"}

	// leetReplacer undoes substitutions that disguise a refused word: S3cr3t.
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
