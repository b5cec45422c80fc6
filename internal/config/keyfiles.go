package config

import (
	"path/filepath"
	"strings"
	"unicode"
)

// parseKeyFiles checks the names alone: whether there is a key in each file is for those to say who read it.
func parseKeyFiles(c *Config, value string) *refusal {
	files, bad := commaList(value, "file", "the first key signs and all verify: to rotate, put the new key's file in front of the old one's",
		func(part string) (string, *refusal) {
			part = strings.TrimSpace(part)
			if holdsKey(part) {
				return "", &refusal{"the names of PEM files, not the keys themselves", "write the key to a file that only the server can read, and its name here"}
			}
			return filepath.Clean(part), nil
		})
	c.JWTPrivateKeyFiles = files
	return bad
}

// showKeyFiles hides a key that was written in the place of a file's name.
func showKeyFiles(value string) string {
	if holdsKey(value) {
		return notShown
	}
	return value
}

// holdsKey takes a line break for a sign of PEM too, whose first line may be missing.
func holdsKey(value string) bool {
	return strings.Contains(value, "-----") || strings.ContainsAny(value, "\r\n")
}

// parseBreachedPasswords checks the name alone: the file is checked where it is opened.
func parseBreachedPasswords(c *Config, value string) *refusal {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return &refusal{"the name of a file", "fieldgate passwords build makes it"}
	}
	c.BreachedPasswords = filepath.Clean(value)
	return nil
}
