package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is one variable that the server cannot start with.
type Error struct {
	Variable string
	Value    string // as far as it may be shown: never a secret or a password; empty if the variable is not set
	Expected string
	Hint     string
}

// Error returns one line for the operator, whatever the value holds:
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

// valueError is an Error that does not know its variable and value yet. Parsers return this instead of an Error, so
// that what is shown of a value is decided in one place, and not by each parser. Its text must not quote the value
// of a secret.
type valueError struct{ expected, hint string }

// maxQuoteLength is how many characters of a value an error shows.
const maxQuoteLength = 80

// quote returns s in quotes and on one line, cut off when it is long.
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
