package models

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"fieldgate/internal/trace"
)

// statementLog is GORM's logger. It counts statements, logs them at level debug and traces them. It
// never logs a value, because values are e-mail addresses, hashes and tokens.
type statementLog struct {
	log     *slog.Logger
	queries *atomic.Uint64
	system  string // name of the database system, for traces
}

var (
	_ logger.Interface  = (*statementLog)(nil)
	_ gorm.ParamsFilter = (*statementLog)(nil)
)

// ParamsFilter keeps the placeholders in the statements that Trace logs.
func (l *statementLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

// Trace is called once per statement. It does not log errors: their callers do.
func (l *statementLog) Trace(ctx context.Context, begin time.Time, statement func() (string, int64), err error) {
	l.queries.Add(1)
	logged, traced := l.log.Enabled(ctx, slog.LevelDebug), trace.From(ctx).IsRecording()
	if !logged && !traced {
		return
	}
	sql, rows := statement()
	failed := err != nil && !errors.Is(err, gorm.ErrRecordNotFound)
	if traced {
		name := summary(sql)
		trace.RecordCall(ctx, begin, name, failed, trace.String("db.system.name", l.system),
			trace.String("db.query.summary", name), trace.String("db.query.text", sql))
	}
	if logged {
		l.log.DebugContext(ctx, "sql", "statement", sql, "rows", rows,
			"duration", milliseconds(time.Since(begin)), "failed", failed)
	}
}

// milliseconds formats a duration with its unit, as package web does.
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds()*1e3, 'f', 3, 64) + "ms"
}

// summary returns the verb and the table of a statement: "SELECT users".
func summary(sql string) string {
	words := strings.Fields(sql)
	for i, word := range words {
		switch word {
		case "FROM", "INTO", "UPDATE":
			if i+1 < len(words) {
				table, _, _ := strings.Cut(strings.Trim(words[i+1], "`"), "`")
				return words[0] + " " + table
			}
		}
	}
	if len(words) == 0 {
		return "statement"
	}
	return words[0]
}

// LogMode keeps the level of the program's own logger.
func (l *statementLog) LogMode(logger.LogLevel) logger.Interface { return l }

// Info, Warn and Error drop GORM's own messages: some of them contain values.
func (*statementLog) Info(context.Context, string, ...any)  {}
func (*statementLog) Warn(context.Context, string, ...any)  {}
func (*statementLog) Error(context.Context, string, ...any) {}
