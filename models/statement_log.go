package models

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// statementLog is GORM's logger: it counts statements and shows them at level debug. It never shows a
// value, because values are e-mail addresses, hashes and tokens.
type statementLog struct {
	log     *slog.Logger
	queries *atomic.Uint64
}

var (
	_ logger.Interface  = (*statementLog)(nil)
	_ gorm.ParamsFilter = (*statementLog)(nil)
)

// ParamsFilter leaves the placeholders in a statement that Trace is about to show.
func (l *statementLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

// Trace is called once a statement. Errors are not logged here: whoever handles them decides.
func (l *statementLog) Trace(ctx context.Context, begin time.Time, statement func() (string, int64), err error) {
	l.queries.Add(1)
	if !l.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	sql, rows := statement()
	l.log.DebugContext(ctx, "sql", "statement", sql, "rows", rows, "duration", time.Since(begin),
		"failed", err != nil && !errors.Is(err, gorm.ErrRecordNotFound))
}

// LogMode keeps the level that the program's own logger has.
func (l *statementLog) LogMode(logger.LogLevel) logger.Interface { return l }

// Info, Warn and Error drop GORM's own remarks: some of them carry values.
func (*statementLog) Info(context.Context, string, ...any)  {}
func (*statementLog) Warn(context.Context, string, ...any)  {}
func (*statementLog) Error(context.Context, string, ...any) {}
