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

	secretHint = "make one with: fieldgate keys secret"
)

// parseJWTSecrets reads the comma list by which keys are rotated.
func parseJWTSecrets(c *Config, value string) *refusal {
	secrets, bad := commaList(value, "secret", "to rotate, put a new secret in front of the old one; "+secretHint,
		func(part string) (string, *refusal) { return part, checkSecret(c, part, minJWTSecret) })
	c.JWTSecrets = secrets
	return bad
}

func parsePepper(c *Config, value string) *refusal {
	if bad := checkSecret(c, value, minPepper); bad != nil {
		return bad
	}
	c.PasswordPepper = value
	return nil
}

// checkSecret says what is wrong with a secret, and never quotes it.
func checkSecret(c *Config, secret string, minBytes int) *refusal {
	if strings.TrimSpace(secret) != secret {
		return &refusal{"a secret without white space around it", "look for a space or a line break at either end"}
	}
	if len(secret) < minBytes {
		return &refusal{fmt.Sprintf("at least %d bytes", minBytes), secretHint}
	}
	if why := Weakness(secret); why != "" && c.Production {
		return &refusal{"a random secret in production, and this one " + why, secretHint}
	}
	return nil
}
