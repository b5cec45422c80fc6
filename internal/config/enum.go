package config

import (
	"net/http"
	"slices"
	"strings"
)

// enum reads one of a few words, in any case, each of which stands for a value.
func enum[T any](field func(*Config) *T, hint string, words []string, values ...T) parser {
	return func(c *Config, value string) *valueError {
		value = strings.ToLower(value)
		i := slices.Index(words, value)
		if i < 0 {
			if near := closestByPrefix(value, words); near != "" {
				return &valueError{joinOr(words), "did you mean " + near + "?"}
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

// parseSameSite comes after parsePublicURL, on which it depends.
func parseSameSite(c *Config, value string) *valueError {
	read := enum(
		func(c *Config) *http.SameSite { return &c.CookieSameSite }, "strict is the safest, none is for a frontend on another site",
		[]string{"strict", "lax", "none"}, http.SameSiteStrictMode, http.SameSiteLaxMode, http.SameSiteNoneMode,
	)
	if bad := read(c, value); bad != nil {
		return bad
	}
	if c.CookieSameSite == http.SameSiteNoneMode && c.PublicURL != nil && !c.CookieSecure() {
		return &valueError{
			"strict or lax while PUBLIC_URL is not https",
			"browsers drop a cookie with SameSite=None that is not Secure",
		}
	}
	return nil
}

// parseLimits comes after ENV, on which it depends.
func parseLimits(c *Config, value string) *valueError {
	read := enum(func(c *Config) *bool { return &c.LimitsOff }, "they keep people from guessing passwords; off is for load tests",
		[]string{"on", "off"}, false, true)
	if bad := read(c, value); bad != nil {
		return bad
	}
	if c.LimitsOff && c.Production {
		return &valueError{"on in production", "off is for load tests: without limits anybody may guess passwords as fast as the server hashes"}
	}
	return nil
}

// closestByPrefix returns the word that begins as the value does: production for prod or prodution.
func closestByPrefix(value string, words []string) string {
	const enough = 3
	if len(value) < enough {
		return ""
	}
	for _, w := range words {
		if strings.HasPrefix(w, value[:enough]) {
			return w
		}
	}
	return ""
}

// joinOr returns the words as a sentence has them: a, b or c.
func joinOr(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
