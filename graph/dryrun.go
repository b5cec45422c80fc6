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

// DryRun counts and logs what the rules that only report would have denied. It is safe for use by many goroutines.
type DryRunRecorder struct {
	log    *slog.Logger
	counts map[string]*atomic.Uint64 // by coordinate; a field is in it from the start
}

// NewDryRunRecorder begins to count, at zero, for the fields of the policy that have such a rule.
func NewDryRunRecorder(p *policy.Policy, log *slog.Logger) *DryRunRecorder {
	r := &DryRunRecorder{log: log, counts: map[string]*atomic.Uint64{}}
	for _, rule := range p.ReportOnly() {
		r.counts[rule.Coordinate()] = &atomic.Uint64{}
	}
	return r
}

// Counts returns how many executions would have been denied since the start, by field as the schema names it
// ("Query.users"). It has every field whose rule only reports, and no other.
func (r *DryRunRecorder) Counts() map[string]uint64 {
	counts := make(map[string]uint64, len(r.counts))
	for field, n := range r.counts {
		counts[field] = n.Load()
	}
	return counts
}

// record counts every execution. The log has one line for a field, a person and a request: aliases and lists would make
// thousands of a small document.
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
	r.log.LogAttrs(ctx, slog.LevelInfo, account.EventWouldBeDenied, slog.String("field", field),
		slog.String("requires", rule.ReportOnly.Role), slog.String("user_id", line.userID), slog.String("ip", viewer.Client().IP))
}

type loggedDenial struct{ field, userID string }

type loggedDenialsKey struct{}

// deduplicateLog gives a request the memory of what it has logged, if there is anything to report.
func (r *DryRunRecorder) deduplicateLog(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if len(r.counts) > 0 {
		ctx = context.WithValue(ctx, loggedDenialsKey{}, &sync.Map{})
	}
	return next(ctx)
}
