package web

import (
	"context"
	"log/slog"
	"slices"
)

// LogHandler adds request_id, and the attributes that extractors find in the context, to every
// record that is logged with the context of a request. Callers need not add them. The attributes
// are at the top level of the record, even below a WithGroup, so that a search for an id finds
// every line.
func LogHandler(next slog.Handler, extractors ...func(context.Context) []slog.Attr) slog.Handler {
	return &logHandler{root: next, next: next, extractors: extractors}
}

type logHandler struct {
	// root is the handler before the first group, where request_id belongs. next has all groups
	// and attributes.
	root, next slog.Handler
	extractors []func(context.Context) []slog.Attr
	// replay adds to root what next has besides root: groups and their contents. It is empty for a
	// logger without groups, which nearly all are.
	replay []func(slog.Handler) slog.Handler
}

func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	var buffer [4]slog.Attr // on the stack: this runs for every line
	attrs := h.contextAttrs(ctx, buffer[:0])
	if len(attrs) == 0 {
		return h.next.Handle(ctx, record)
	}
	if len(h.replay) == 0 {
		record = record.Clone()
		record.AddAttrs(attrs...)
		return h.next.Handle(ctx, record)
	}
	// An attribute of the record would land inside the group. So build the handler again for this
	// record, with the id before the group.
	next := h.root.WithAttrs(slices.Clone(attrs))
	for _, add := range h.replay {
		next = add(next)
	}
	return next.Handle(ctx, record)
}

// contextAttrs appends the attributes that identify the request of ctx.
func (h *logHandler) contextAttrs(ctx context.Context, attrs []slog.Attr) []slog.Attr {
	if id := RequestIDFrom(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	for _, find := range h.extractors {
		attrs = append(attrs, find(ctx)...)
	}
	return attrs
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	if len(h.replay) == 0 {
		return LogHandler(h.next.WithAttrs(attrs), h.extractors...)
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *logHandler) with(add func(slog.Handler) slog.Handler) slog.Handler {
	return &logHandler{
		root:       h.root,
		next:       add(h.next),
		extractors: h.extractors,
		replay:     append(slices.Clip(h.replay), add), // siblings must not share a backing array
	}
}
