package config

import (
	"fmt"
	"strings"
)

const (
	// minJWTSecret is in bytes: a key for HS256 must not be shorter than its hash (RFC 7518, section 3.2).
	minJWTSecret = 32
	// minPepper is in bytes: 128 bits cannot be guessed, and unlike a signing key nobody can try one offline
	// without the stored hashes.
	minPepper = 16

	// maxPeppers bounds the work of a sign-in.
	maxPeppers = 3
	// escapedComma stands for \, while a list is taken apart. No environment can hold it.
	escapedComma = "\x00"

	secretHint = "make one with: fieldgate keys secret"
)

// parseJWTSecrets reads the comma list by which keys are rotated.
func parseJWTSecrets(c *Config, value string) *valueError {
	secrets, bad := parseCSV(value, "secret", "to rotate, put a new secret in front of the old one; "+secretHint,
		func(part string) (string, *valueError) { return part, checkSecret(c, part, minJWTSecret) })
	c.JWTSecrets = secrets
	return bad
}

// parsePepper reads the comma list by which peppers are rotated. A pepper from before there was a list may have a comma.
func parsePepper(c *Config, value string) *valueError {
	peppers, bad := parseCSV(strings.ReplaceAll(value, `\,`, escapedComma), "pepper", "to rotate, put a new pepper in front of the old one; "+secretHint,
		func(part string) (string, *valueError) {
			part = strings.ReplaceAll(part, escapedComma, ",")
			bad := checkSecret(c, part, minPepper)
			if bad != nil && strings.Contains(value, ",") {
				bad.hint = `a comma that belongs to a pepper is written \,; ` + bad.hint
			}
			return part, bad
		})
	if bad == nil && len(peppers) > maxPeppers {
		bad = &valueError{fmt.Sprintf("at most %d peppers", maxPeppers), "each sign-in takes as many hashes as there are peppers: take out the oldest"}
	}
	c.PasswordPeppers = peppers
	return bad
}

// checkSecret says what is wrong with a secret, and never quotes it.
func checkSecret(c *Config, secret string, minBytes int) *valueError {
	if strings.TrimSpace(secret) != secret {
		return &valueError{"a secret without white space around it", "look for a space or a line break at either end"}
	}
	if len(secret) < minBytes {
		return &valueError{fmt.Sprintf("at least %d bytes", minBytes), secretHint}
	}
	if why := Weakness(secret); why != "" && c.Production {
		return &valueError{"a random secret in production, and this one " + why, secretHint}
	}
	return nil
}
