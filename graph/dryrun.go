package graph

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// DryRunRecorder counts and logs what report-only rules would have denied. It is safe for
// concurrent use.
type DryRunRecorder struct {
	log    *slog.Logger
	counts map[string]*atomic.Uint64 // by coordinate; has every field with a report-only rule
}

// NewDryRunRecorder returns a recorder for the report-only rules of a policy, with all counts at
// zero.
func NewDryRunRecorder(p *policy.Policy, log *slog.Logger) *DryRunRecorder {
	r := &DryRunRecorder{log: log, counts: map[string]*atomic.Uint64{}}
	for _, rule := range p.ReportOnly() {
		r.counts[rule.Coordinate()] = &atomic.Uint64{}
	}
	return r
}

// Counts returns how many executions would have been denied since the start, by coordinate
// ("Query.users"). It has every field with a report-only rule, and no other.
func (r *DryRunRecorder) Counts() map[string]uint64 {
	counts := make(map[string]uint64, len(r.counts))
	for field, n := range r.counts {
		counts[field] = n.Load()
	}
	return counts
}

// record counts every execution. It logs one line per request, field and user, because aliases and
// lists could otherwise turn a small document into thousands of lines.
func (r *DryRunRecorder) record(ctx context.Context, rule policy.Rule) {
	field := rule.Coordinate()
	r.counts[field].Add(1)
	viewer := auth.ViewerFrom(ctx)
	line := loggedDenial{field, viewer.UserID()}
	if seen, ok := ctx.Value(loggedDenialsKey{}).(*sync.Map); ok {
		if _, again := seen.LoadOrStore(line, true); again {
			return
		}
	}
	attrs := []slog.Attr{
		slog.String("field", field), slog.String("requires", rule.ReportOnly.Role),
		slog.String("user_id", line.userID), slog.String("ip", viewer.Client().IP),
	}
	if proof := rule.ReportOnly.Proof; proof.Required() {
		attrs = append(attrs, slog.Duration("max_age", proof.MaxAge), slog.String("mfa", proof.MFA))
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, account.EventWouldBeDenied, attrs...)
}

type loggedDenial struct{ field, userID string }

type loggedDenialsKey struct{}

// deduplicateLog stores in the context which denials the request has logged. Without report-only
// rules it stores nothing.
func (r *DryRunRecorder) deduplicateLog(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if len(r.counts) > 0 {
		ctx = context.WithValue(ctx, loggedDenialsKey{}, &sync.Map{})
	}
	return next(ctx)
}
