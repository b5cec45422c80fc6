package guard

import (
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is the maximum nesting depth of objects and arrays, including the body itself. Real
// inputs stay below 10; encoding/json would follow 10,000.
const maxDepth = 32

// decodeJSON decodes body as exactly one JSON text (RFC 8259) in one pass. It returns the types
// that gqlgen expects of variables: map[string]any, []any, string, [json.Number], bool and nil.
//
// It is stricter than encoding/json, which takes the last of two equal keys, matches keys in any
// case and replaces invalid text by U+FFFD. Each of these lets two readers of a body, such as a
// gateway and this server, see different requests. So all are rejected at every level, as I-JSON
// recommends (RFC 7493, sections 2.1 and 2.3). The check is one look-up in a map that is written
// anyway. encoding/json/v2 is as strict but still experimental; a fuzz test compares this decoder
// with encoding/json.
//
// The result shares no memory with body. The query is kept as a cache key, which must not keep a
// body with a password in memory.
//
// depth is the maximum nesting depth. The error is always a *jsonError.
func decodeJSON(body []byte, depth int) (any, error) {
	d := decoder{text: body}
	if !utf8.Valid(body) {
		return nil, d.fail("the text is not UTF-8")
	}
	v, err := d.value(depth)
	if err != nil {
		return nil, err
	}
	if d.space(); d.pos < len(d.text) {
		return nil, d.fail("unexpected data after the value")
	}
	return v, nil
}

// jsonError reports what is wrong and where, without any of the text: bodies hold passwords, and
// the error goes into answers and logs.
type jsonError struct {
	offset  int
	problem string
}

func (e *jsonError) Error() string {
	return fmt.Sprintf("%s, at byte %d", e.problem, e.offset)
}

type decoder struct {
	text []byte
	pos  int
}

func (d *decoder) fail(problem string) error {
	return &jsonError{offset: d.pos, problem: problem}
}

// peek returns the next byte, or 0 at the end. 0 is never valid outside a string.
func (d *decoder) peek() byte {
	if d.pos < len(d.text) {
		return d.text[d.pos]
	}
	return 0
}

func (d *decoder) space() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// take skips white space and c, if c comes next.
func (d *decoder) take(c byte) bool {
	d.space()
	if d.peek() != c {
		return false
	}
	d.pos++
	return true
}

func (d *decoder) value(depth int) (any, error) {
	d.space()
	switch c := d.peek(); {
	case c == '"':
		return d.string()
	case c == '{', c == '[':
		if depth == 0 {
			return nil, d.fail(fmt.Sprintf("nested deeper than %d levels", maxDepth))
		}
		d.pos++
		if c == '{' {
			return d.object(depth - 1)
		}
		return d.array(depth - 1)
	case c == '-', '0' <= c && c <= '9':
		return d.number()
	case c == 't':
		return true, d.literal("true")
	case c == 'f':
		return false, d.literal("false")
	case c == 'n':
		return nil, d.literal("null")
	default:
		return nil, d.fail("expected a value")
	}
}

func (d *decoder) object(depth int) (any, error) {
	object := make(map[string]any)
	if d.take('}') {
		return object, nil
	}
	for {
		if d.space(); d.peek() != '"' {
			return nil, d.fail("expected a key")
		}
		start := d.pos
		key, err := d.string()
		if err != nil {
			return nil, err
		}
		if _, isDuplicate := object[key]; isDuplicate {
			d.pos = start
			return nil, d.fail("a duplicate key in an object")
		}
		if !d.take(':') {
			return nil, d.fail("expected ':'")
		}
		if object[key], err = d.value(depth); err != nil {
			return nil, err
		}
		if d.take('}') {
			return object, nil
		}
		if !d.take(',') {
			return nil, d.fail("expected ',' or '}'")
		}
	}
}

func (d *decoder) array(depth int) (any, error) {
	array := []any{}
	if d.take(']') {
		return array, nil
	}
	for {
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
		if d.take(']') {
			return array, nil
		}
		if !d.take(',') {
			return nil, d.fail("expected ',' or ']'")
		}
	}
}

func (d *decoder) literal(word string) error {
	if end := d.pos + len(word); end <= len(d.text) && string(d.text[d.pos:end]) == word {
		d.pos = end
		return nil
	}
	return d.fail("expected a value")
}

// number keeps the digits unchanged, so that a scalar with more precision gets large integers
// unrounded.
func (d *decoder) number() (any, error) {
	start := d.pos
	if d.peek() == '-' {
		d.pos++
	}
	if d.peek() == '0' {
		d.pos++
	} else if !d.digits() {
		return nil, d.fail("expected a digit")
	}
	if d.peek() == '.' {
		d.pos++
		if !d.digits() {
			return nil, d.fail("expected a digit")
		}
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.pos++
		if c := d.peek(); c == '+' || c == '-' {
			d.pos++
		}
		if !d.digits() {
			return nil, d.fail("expected a digit")
		}
	}
	return json.Number(d.text[start:d.pos]), nil
}

func (d *decoder) digits() bool {
	start := d.pos
	for '0' <= d.peek() && d.peek() <= '9' {
		d.pos++
	}
	return d.pos > start
}

// string reads a string. One without escapes, which most are, takes a single copy; unescape reads
// the others.
func (d *decoder) string() (string, error) {
	d.pos++ // the opening quote
	start := d.pos
	for d.pos < len(d.text) {
		switch c := d.text[d.pos]; {
		case c == '"':
			d.pos++
			return string(d.text[start : d.pos-1]), nil
		case c == '\\':
			return d.unescape(start)
		case c < ' ':
			return "", d.fail("a control character in a string")
		}
		d.pos++
	}
	return "", d.fail("an unterminated string")
}

// unescape reads the rest of the string that began at start, from its first escape on.
func (d *decoder) unescape(start int) (string, error) {
	text := append(make([]byte, 0, 2*(d.pos-start)+32), d.text[start:d.pos]...)
	for d.pos < len(d.text) {
		switch c := d.text[d.pos]; {
		case c == '"':
			d.pos++
			return string(text), nil
		case c == '\\':
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			text = utf8.AppendRune(text, r)
		case c < ' ':
			return "", d.fail("a control character in a string")
		default:
			text = append(text, c)
			d.pos++
		}
	}
	return "", d.fail("an unterminated string")
}

func (d *decoder) escape() (rune, error) {
	d.pos++ // the backslash
	c := d.peek()
	d.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return d.unicode()
	default:
		d.pos--
		return 0, d.fail("an unknown escape")
	}
}

// unicode reads the digits after \u. A character beyond the first plane is a pair of surrogates
// (RFC 8259, section 7). A single surrogate is an error.
func (d *decoder) unicode() (rune, error) {
	r, ok := d.hex()
	if !ok {
		return 0, d.fail("expected four hexadecimal digits")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if d.peek() == '\\' {
		d.pos++
		if d.peek() == 'u' {
			d.pos++
			low, ok := d.hex()
			if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
				return pair, nil
			}
		}
	}
	return 0, d.fail("an unpaired surrogate")
}

func (d *decoder) hex() (rune, bool) {
	var r rune
	for range 4 {
		c := d.peek()
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
		d.pos++
	}
	return r, true
}
