package config

import (
	"fmt"
	"strings"
)

const (
	// minJWTSecret is in bytes: a key for HS256 must not be shorter than its hash (RFC 7518,
	// section 3.2).
	minJWTSecret = 32
	// minFactorKey is in bytes. The key of AES-256 is derived from it.
	minFactorKey = 32
	// minPepper is in bytes. 128 bits cannot be guessed. Unlike a signing key, a pepper cannot be
	// attacked offline without the stored hashes.
	minPepper = 16

	// maxPeppers bounds the work of a sign-in.
	maxPeppers = 3
	// escapedComma stands for \, while a list is split. No environment variable can contain it.
	escapedComma = "\x00"

	secretHint = "create one with: fieldgate keys secret"
)

// parseJWTSecrets reads the comma-separated list that rotates keys.
func parseJWTSecrets(c *Config, value string) *valueError {
	secrets, invalid := parseCSV(value, "secret", "to rotate, put a new secret in front of the old one; "+secretHint,
		func(part string) (string, *valueError) { return part, checkSecret(c, part, minJWTSecret) })
	c.JWTSecrets = secrets
	return invalid
}

// parseFactorKeys reads the comma-separated list that rotates the keys of second factors.
func parseFactorKeys(c *Config, value string) *valueError {
	keys, invalid := parseCSV(value, "key", "to rotate, put a new key in front of the old one; "+secretHint,
		func(part string) (string, *valueError) { return part, checkSecret(c, part, minFactorKey) })
	c.FactorKeys = keys
	return invalid
}

// parsePepper reads the comma-separated list that rotates peppers. A comma inside a pepper is
// escaped: older versions read a single pepper, which may contain one.
func parsePepper(c *Config, value string) *valueError {
	peppers, invalid := parseCSV(strings.ReplaceAll(value, `\,`, escapedComma), "pepper", "to rotate, put a new pepper in front of the old one; "+secretHint,
		func(part string) (string, *valueError) {
			part = strings.ReplaceAll(part, escapedComma, ",")
			invalid := checkSecret(c, part, minPepper)
			if invalid != nil && strings.Contains(value, ",") {
				invalid.hint = `write a comma inside a pepper as \,; ` + invalid.hint
			}
			return part, invalid
		})
	if invalid == nil && len(peppers) > maxPeppers {
		invalid = &valueError{
			fmt.Sprintf("at most %d peppers", maxPeppers),
			"each sign-in computes one hash per pepper: remove the oldest",
		}
	}
	c.PasswordPeppers = peppers
	return invalid
}

// checkSecret returns what is wrong with a secret, without quoting it.
func checkSecret(c *Config, secret string, minBytes int) *valueError {
	if strings.TrimSpace(secret) != secret {
		return &valueError{
			"a secret without leading or trailing white space",
			"look for a space or a line break at either end",
		}
	}
	if len(secret) < minBytes {
		return &valueError{fmt.Sprintf("at least %d bytes", minBytes), secretHint}
	}
	if weakness := Weakness(secret); weakness != "" && c.Production {
		return &valueError{"a random secret in production, and this one " + weakness, secretHint}
	}
	return nil
}
