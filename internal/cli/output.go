package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/urfave/cli/v3"
)

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print a JSON object on one line"}
}

func jsonLinesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print one JSON object per line (JSON Lines)"}
}

// printable returns text for a terminal. It quotes text with characters that could move the cursor
// or reverse a line: imported data may contain them.
func printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, isUnprintable) {
		return text
	}
	return strconv.QuoteToGraphic(text)
}

// isUnprintable reports whether a character has an effect on a terminal besides being shown. The
// joiners are allowed, because scripts and emoji need them.
func isUnprintable(r rune) bool {
	const joiner, nonJoiner = '\u200D', '\u200C'
	return !unicode.IsGraphic(r) && r != joiner && r != nonJoiner
}

// writeJSON writes v on one line. JSON allows most unprintable characters unescaped. They can occur
// only in strings, so they are escaped there.
func writeJSON(w io.Writer, v any) error {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	var out []byte
	for _, r := range strings.TrimSuffix(line.String(), "\n") {
		switch {
		case !isUnprintable(r):
			out = utf8.AppendRune(out, r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	_, err := w.Write(append(out, '\n'))
	return err
}
