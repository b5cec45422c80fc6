package web

import (
	"context"
	"log/slog"
	"slices"
)

// LogHandler adds request_id to every record that is logged with the context of
// a request, and what more finds in a context, so that no caller has to think of
// it. It stands at the top level of the record, also below a WithGroup: a search
// for an id has to find every line.
func LogHandler(next slog.Handler, more ...func(context.Context) []slog.Attr) slog.Handler {
	return &logHandler{root: next, next: next, extractors: more}
}

type logHandler struct {
	root       slog.Handler // before the first group, where request_id belongs
	next       slog.Handler // with everything that was added
	extractors []func(context.Context) []slog.Attr
	// replay adds to root what next has more than root: groups and what is in
	// them. It is empty for a logger without groups, which nearly all are.
	replay []func(slog.Handler) slog.Handler
}

func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	var room [4]slog.Attr // which is not allocated: this runs for every line
	attrs := h.contextAttrs(ctx, room[:0])
	if len(attrs) == 0 {
		return h.next.Handle(ctx, record)
	}
	if len(h.replay) == 0 {
		record = record.Clone()
		record.AddAttrs(attrs...)
		return h.next.Handle(ctx, record)
	}
	// An attribute of the record would land inside the group. So the handler
	// is built again, this once, with the id before the group.
	next := h.root.WithAttrs(slices.Clone(attrs))
	for _, again := range h.replay {
		next = again(next)
	}
	return next.Handle(ctx, record)
}

// contextAttrs adds what a context says of where a record belongs.
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
