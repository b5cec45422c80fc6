package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error reports one variable that is missing or invalid.
type Error struct {
	Variable string
	Value    string // printable: never a secret or a password; empty if not set
	Expected string
	Hint     string
}

// Error returns one line, whatever the value contains:
//
//	DATABASE_URL: "postgres://x" is not usable: expected sqlite://FILE or …. Hint: …
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Variable)
	switch e.Value {
	case "":
		b.WriteString(": not set")
	case hidden:
		b.WriteString(": " + hidden + " is not usable")
	default:
		b.WriteString(": " + quote(e.Value) + " is not usable")
	}
	b.WriteString(": expected " + e.Expected)
	if e.Hint != "" {
		b.WriteString(". Hint: " + e.Hint)
	}
	return b.String()
}

// valueError is an Error without its variable and value. Parsers return it, so that one place
// decides how much of a value an error shows. Its texts must not quote a secret.
type valueError struct{ expected, hint string }

// maxQuoteLength is how many characters of a value an error shows.
const maxQuoteLength = 80

// quote returns s quoted and on one line, truncated to maxQuoteLength characters.
func quote(s string) string {
	if utf8.RuneCountInString(s) > maxQuoteLength {
		end := 0
		for range maxQuoteLength {
			_, size := utf8.DecodeRuneInString(s[end:])
			end += size
		}
		s = s[:end] + "…"
	}
	return strconv.Quote(s)
}
