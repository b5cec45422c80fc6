package config

import (
	"strings"
	"unicode"
)

// longestClaim is in bytes: every token carries it in every request.
const longestClaim = 255

// claim reads the value of a token's iss or aud, which others compare byte by byte.
func claim(field func(*Config) *string) parser {
	return func(c *Config, value string) *refusal {
		odd := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r) }
		if len(value) > longestClaim || strings.ContainsFunc(value, odd) {
			return &refusal{"at most 255 bytes of text without white space", "leave it out to use PUBLIC_URL"}
		}
		*field(c) = value
		return nil
	}
}
