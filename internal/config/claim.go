package config

import (
	"strings"
	"unicode"
)

// maxClaimLength is in bytes: every token carries it in every request.
const maxClaimLength = 255

// claim reads the value of a token's iss or aud, which others compare byte by byte.
func claim(field func(*Config) *string) parser {
	return func(c *Config, value string) *valueError {
		odd := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r) }
		if len(value) > maxClaimLength || strings.ContainsFunc(value, odd) {
			return &valueError{"at most 255 bytes of text without white space", "leave it out to use PUBLIC_URL"}
		}
		*field(c) = value
		return nil
	}
}
