package config

import (
	"path/filepath"
	"strings"
	"unicode"
)

// parseKeyFiles checks only the names. The server checks the keys when it reads the files.
func parseKeyFiles(c *Config, value string) *valueError {
	files, invalid := parseCSV(value, "file", "the first key signs, all keys verify; to rotate, put the new file first",
		func(part string) (string, *valueError) {
			part = strings.TrimSpace(part)
			if containsKey(part) {
				return "", &valueError{
					"the names of PEM files, not the keys themselves",
					"write the key to a file that only the server can read, and put the file's name here",
				}
			}
			return filepath.Clean(part), nil
		})
	c.JWTPrivateKeyFiles = files
	return invalid
}

// redactKeyFiles hides a key that was written in place of a file name.
func redactKeyFiles(value string) string {
	if containsKey(value) {
		return hidden
	}
	return value
}

// containsKey also treats a line break as a sign of PEM, whose first line may be missing.
func containsKey(value string) bool {
	return strings.Contains(value, "-----") || strings.ContainsAny(value, "\r\n")
}

// parseBreachedPasswords checks only the name. The server checks the file when it opens it.
func parseBreachedPasswords(c *Config, value string) *valueError {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return &valueError{"the name of a file", "create it with: fieldgate passwords build"}
	}
	c.BreachedPasswords = filepath.Clean(value)
	return nil
}
