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
	return &cli.BoolFlag{Name: "json", Usage: "answer with a JSON object on a line"}
}

func jsonLinesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "answer with a JSON object on a line for each (JSON Lines)"}
}

// printable is text as a terminal may have it: what was imported from elsewhere may hold what would move the cursor or
// turn a line around, and is quoted then.
func printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, isUnprintable) {
		return text
	}
	return strconv.QuoteToGraphic(text)
}

// isUnprintable characters do something to a terminal other than to stand there. The joiners stay, since scripts and
// emoji need them.
func isUnprintable(r rune) bool {
	const joiner, nonJoiner = '\u200D', '\u200C'
	return !unicode.IsGraphic(r) && r != joiner && r != nonJoiner
}

// writeJSON writes v on a line of its own. JSON itself has no objection to most of what is unshowable; as that can
// stand in strings only, it is escaped there.
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
