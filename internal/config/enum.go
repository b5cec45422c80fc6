package config

import (
	"net/http"
	"slices"
	"strings"
)

// enum returns a parser for one of a few words, in any case. Each word stands for the value at the
// same position.
func enum[T any](field func(*Config) *T, hint string, words []string, values ...T) parser {
	return func(c *Config, value string) *valueError {
		value = strings.ToLower(value)
		i := slices.Index(words, value)
		if i < 0 {
			if closest := closestByPrefix(value, words); closest != "" {
				return &valueError{joinOr(words), "did you mean " + closest + "?"}
			}
			return &valueError{joinOr(words), hint}
		}
		*field(c) = values[i]
		return nil
	}
}

func flag(field func(*Config) *bool) parser {
	return enum(field, "write true or false, not 1, 0, yes or on", []string{"true", "false"}, true, false)
}

// parseSameSite runs after parsePublicURL, because SameSite=None requires https.
func parseSameSite(c *Config, value string) *valueError {
	read := enum(
		func(c *Config) *http.SameSite { return &c.CookieSameSite }, "strict is the safest, none is for a frontend on another site",
		[]string{"strict", "lax", "none"}, http.SameSiteStrictMode, http.SameSiteLaxMode, http.SameSiteNoneMode,
	)
	if invalid := read(c, value); invalid != nil {
		return invalid
	}
	if c.CookieSameSite == http.SameSiteNoneMode && c.PublicURL != nil && !c.CookieSecure() {
		return &valueError{
			"strict or lax while PUBLIC_URL is not https",
			"browsers drop a cookie with SameSite=None that is not Secure",
		}
	}
	return nil
}

// parseLimits runs after the parser of ENV, because production refuses "off".
func parseLimits(c *Config, value string) *valueError {
	read := enum(func(c *Config) *bool { return &c.LimitsOff }, "rate limits stop password guessing; off is for load tests",
		[]string{"on", "off"}, false, true)
	if invalid := read(c, value); invalid != nil {
		return invalid
	}
	if c.LimitsOff && c.Production {
		return &valueError{
			"on in production",
			"off is for load tests: without limits, passwords can be guessed as fast as the server hashes",
		}
	}
	return nil
}

// closestByPrefix returns the word that shares its first three characters with value, such as
// production for prod or prodution. It returns "" if none does.
func closestByPrefix(value string, words []string) string {
	const minLength = 3
	if len(value) < minLength {
		return ""
	}
	for _, w := range words {
		if strings.HasPrefix(w, value[:minLength]) {
			return w
		}
	}
	return ""
}

// joinOr joins words for a sentence: a, b or c.
func joinOr(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
