package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// FieldError is what is wrong with one value of an input.
type FieldError struct {
	Name    string // the field's name in the API: "email"
	Message string // for the person who typed it
}

// InputError is everything that is wrong with an input, at once.
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

// invalid is an InputError of one field.
func invalid(name, message string) *InputError { return &InputError{[]FieldError{{name, message}}} }

// inputCheck gathers what is wrong with an input.
type inputCheck struct{ fields []FieldError }

// field notes a message, unless it is empty.
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

// maxNameLength is in characters, after normalization.
const maxNameLength = 100

// cleanName returns a name as it is stored, in Unicode's form NFC and without space around it; or else a
// message that says what is wrong with it.
func cleanName(name string) (clean, message string) {
	clean = norm.NFC.String(strings.TrimSpace(name))
	switch {
	case strings.ContainsFunc(clean, isUnprintable):
		return "", "must not have control characters or invisible formatting in it"
	case !strings.ContainsFunc(clean, isVisible):
		return "", "must not be empty"
	case utf8.RuneCountInString(clean) > maxNameLength:
		return "", "must have at most 100 characters"
	}
	return clean, ""
}

// isInvisible characters show nothing although they count as letters, marks or symbols: fillers, variation
// selectors, the empty Braille pattern.
func isInvisible(r rune) bool {
	const brailleBlank = '\u2800'
	return r == brailleBlank || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// isVisible: not only space, joiners and the like, which would make a name of nothing.
func isVisible(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !isInvisible(r) }

// isUnprintable: what could break a mail header or a log line, or dress one name up as another. The joiners
// stay, since scripts and emoji need them.
func isUnprintable(r rune) bool {
	const joiner, nonJoiner = '\u200D', '\u200C'
	return r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) ||
		unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner
}

// searchKey is what names are searched by.
func searchKey(s string) string { return norm.NFC.String(lower(norm.NFC.String(s))) }

// lower writes capitals small, rune by rune, without regard to context or language: a key must come out the
// same wherever it is made. U+0130 is the exception: Go's simple mapping makes it a plain i, and so another
// person's address; its full mapping keeps the dot.
func lower(s string) string {
	return strings.ToLower(strings.ReplaceAll(s, "\u0130", "i\u0307"))
}
