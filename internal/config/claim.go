package config

import (
	"strings"
	"unicode"
)

// maxClaimLength is in bytes. Every request carries the claim in its token.
const maxClaimLength = 255

// claim reads the value of a token's iss or aud claim. Other services compare these byte by byte.
func claim(field func(*Config) *string) parser {
	return func(c *Config, value string) *valueError {
		isInvalid := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r) }
		if len(value) > maxClaimLength || strings.ContainsFunc(value, isInvalid) {
			return &valueError{"at most 255 bytes of text without white space", "leave it out to use PUBLIC_URL"}
		}
		*field(c) = value
		return nil
	}
}
