// Package devlog writes log records for a developer at a terminal: one colored line each.
//
// The formats of log/slog are for programs and files. This format may change and must not be
// parsed.
package devlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lmittmann/tint"
)

// Options configure New.
type Options struct {
	Level   slog.Leveler
	NoColor bool
}

// New returns a handler that writes to w. It shortens the records of requests ("http request") and
// of statements ("sql"): "POST /graphql 200 1.2ms".
func New(w io.Writer, o Options) slog.Handler {
	return handler{tint.NewHandler(w, &tint.Options{Level: o.Level, NoColor: o.NoColor, TimeFormat: time.TimeOnly})}
}

type handler struct{ slog.Handler }

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	switch r.Message {
	case "http request":
		r = shorten(r, []string{"method", "path", "status", "duration"}, "bytes")
	case "sql":
		r = shorten(r, []string{"statement", "duration"}, "failed")
	}
	return h.Handler.Handle(ctx, r)
}

// shorten returns the record with the values of some attributes as its message, and without the
// attributes in drop.
func shorten(r slog.Record, message []string, drop ...string) slog.Record {
	words := make([]string, len(message))
	kept := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		for i, key := range message {
			if a.Key == key {
				words[i] = printable(a.Value.String())
				return true
			}
		}
		for _, key := range drop {
			if a.Key == key && a.Value.String() != "true" {
				return true
			}
		}
		kept = append(kept, a)
		return true
	})
	short := slog.NewRecord(r.Time, r.Level, strings.Join(words, " "), r.PC)
	short.AddAttrs(kept...)
	return short
}

// printable quotes text that could move the cursor or start a line, because clients choose paths.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// Link is a page of the server.
type Link struct{ Name, URL string }

// Banner writes a title and the addresses that a developer needs next.
func Banner(w io.Writer, title string, links ...Link) error {
	width := 0
	for _, l := range links {
		width = max(width, len(l.Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %s\n\n", title)
	for _, l := range links {
		fmt.Fprintf(&b, "    %-*s  %s\n", width, l.Name, l.URL)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}
