package config

import (
	"path/filepath"
	"strings"
	"unicode"
)

// parseKeyFiles checks the names alone: whether there is a key in each file is for those to say who read it.
func parseKeyFiles(c *Config, value string) *valueError {
	files, bad := parseCSV(value, "file", "the first key signs and all verify: to rotate, put the new key's file in front of the old one's",
		func(part string) (string, *valueError) {
			part = strings.TrimSpace(part)
			if containsKey(part) {
				return "", &valueError{"the names of PEM files, not the keys themselves", "write the key to a file that only the server can read, and its name here"}
			}
			return filepath.Clean(part), nil
		})
	c.JWTPrivateKeyFiles = files
	return bad
}

// redactKeyFiles hides a key that was written in the place of a file's name.
func redactKeyFiles(value string) string {
	if containsKey(value) {
		return hidden
	}
	return value
}

// containsKey takes a line break for a sign of PEM too, whose first line may be missing.
func containsKey(value string) bool {
	return strings.Contains(value, "-----") || strings.ContainsAny(value, "\r\n")
}

// parseBreachedPasswords checks the name alone: the file is checked where it is opened.
func parseBreachedPasswords(c *Config, value string) *valueError {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return &valueError{"the name of a file", "fieldgate passwords build makes it"}
	}
	c.BreachedPasswords = filepath.Clean(value)
	return nil
}
