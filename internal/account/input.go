package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// FieldError says what is wrong with one field of an input.
type FieldError struct {
	Name    string // the field's name in the API: "email"
	Message string // shown to the user, after the field's name: "must not be empty"
}

// InputError lists everything that is wrong with an input.
type InputError struct{ Fields []FieldError }

func (e *InputError) Error() string {
	var b strings.Builder
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Name + " " + f.Message)
	}
	return b.String()
}

// invalid returns an InputError of one field.
func invalid(name, message string) *InputError { return &InputError{[]FieldError{{name, message}}} }

// inputCheck collects the errors of an input.
type inputCheck struct{ fields []FieldError }

// field adds a message unless it is empty.
func (c *inputCheck) field(name, message string) {
	if message != "" {
		c.fields = append(c.fields, FieldError{name, message})
	}
}

func (c *inputCheck) err() error {
	if len(c.fields) == 0 {
		return nil
	}
	return &InputError{c.fields}
}

// maxNameLength is in characters after normalization.
const maxNameLength = 100

// cleanName returns a name in the form to be stored, in NFC and without surrounding space, or a
// message about what is wrong with it.
func cleanName(name string) (clean, message string) {
	clean = norm.NFC.String(strings.TrimSpace(name))
	switch {
	case strings.ContainsFunc(clean, isUnprintable):
		return "", "must not contain control characters or invisible formatting"
	case !strings.ContainsFunc(clean, isVisible):
		return "", "must not be empty"
	case utf8.RuneCountInString(clean) > maxNameLength:
		return "", "must have at most 100 characters"
	}
	return clean, ""
}

// isInvisible reports whether r shows nothing although it counts as a letter, mark or symbol:
// fillers, variation selectors, the empty Braille pattern.
func isInvisible(r rune) bool {
	const brailleBlank = '\u2800'
	return r == brailleBlank || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// isVisible reports whether r shows something. A name of only spaces and joiners would be empty to
// readers.
func isVisible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !isInvisible(r) }

// isUnprintable reports whether r could break a mail header or a log line, or make one name look
// like another. Joiners are allowed, since scripts and emoji need them.
func isUnprintable(r rune) bool {
	const joiner, nonJoiner = '\u200D', '\u200C'
	return r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) ||
		unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner
}

// searchKey returns the form of a name that searches compare.
func searchKey(s string) string { return norm.NFC.String(lower(norm.NFC.String(s))) }

// lower maps to lower case rune by rune, independent of context and language: a key must be the
// same wherever it is computed. U+0130 is the exception. Go's simple mapping turns it into a plain
// i, and so into another user's address; its full mapping keeps the dot.
func lower(s string) string {
	return strings.ToLower(strings.ReplaceAll(s, "\u0130", "i\u0307"))
}
