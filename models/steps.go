package models

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// step is a numbered file. The header before its first statement declares its kind; docs/upgrade.md
// has the rules.
type step struct {
	number   int64
	name     string
	contract string   // what it removes, and since which step that is unused; "" if it only adds
	backfill []string // statements that are repeated until they change nothing; nil for other steps
}

const upMark, downMark = "-- +goose Up\n", "-- +goose Down\n"

var (
	contractPattern = regexp.MustCompile(`(?m)^-- contract: (.+)$`)
	backfillPattern = regexp.MustCompile(`(?m)^-- backfill\b`)
)

// readSteps parses the steps in the folder of a dialect.
func readSteps(folders fs.FS, d dialect) (list []step, err error) {
	folder, err := fs.Sub(folders, d.name())
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(folder, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		st, err := parseStep(name, string(text))
		if err != nil {
			return nil, fmt.Errorf("migrations: %s: %w", name, err)
		}
		list = append(list, st)
	}
	return list, nil
}

func parseStep(name, text string) (st step, err error) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	st = step{name: name}
	if st.number, err = goose.NumericComponent(name); err != nil {
		return step{}, err
	}
	header, body, _ := strings.Cut(text, upMark)
	if found := contractPattern.FindStringSubmatch(header); found != nil {
		st.contract = found[1]
	}
	if backfillPattern.MatchString(header) {
		up, _, _ := strings.Cut(body, downMark)
		st.backfill = strings.Split(strings.TrimSuffix(strings.TrimSpace(up), ";"), ";\n")
	}
	return st, nil
}

// backfill repeats each statement until it changes nothing. Each run is a transaction of its own. A
// pause of the same length follows, so that other transactions wait for one run at most.
func (s *Store) backfill(ctx context.Context, db *sql.DB, st step) error {
	for _, statement := range st.backfill {
		if err := s.backfillStatement(ctx, db, statement); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	return nil
}

// updatePattern matches the table of an UPDATE after comments.
var updatePattern = regexp.MustCompile("(?i)^(?:\\s|--.*\n)*UPDATE\\s+([`\"\\w]+)")

// backfillSlack is how many rows a statement may change beyond twice the rows of the table. The
// factor two and the slack allow for rows that programs of the previous version add meanwhile.
const backfillSlack = 1000

func (s *Store) backfillStatement(ctx context.Context, db *sql.DB, statement string) error {
	update := updatePattern.FindStringSubmatch(statement)
	if update == nil {
		return fmt.Errorf("a backfill may contain only UPDATE statements, not %q", statement)
	}
	for total, limit := int64(0), int64(backfillSlack); ; {
		begin := time.Now()
		changed, err := s.runBackfillBatch(ctx, db, statement)
		if err != nil || changed == 0 {
			return err
		}
		if total += changed; total > limit { // counting takes long on large tables, so it is done only then
			rows := int64(0)
			if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+update[1]).Scan(&rows); err != nil {
				return err
			}
			if limit = 2*rows + backfillSlack; total > limit {
				return fmt.Errorf("its condition stays true for changed rows, so it does not end: %d changes in a table of %d rows: %q", total, rows, statement)
			}
		}
		if err := sleep(ctx, time.Since(begin)); err != nil {
			return err
		}
	}
}

// runBackfillBatch runs a statement once and returns how many rows it changed. Each call has its
// own retry timeout: a backfill may take hours and must not fail because a lock was held once.
func (s *Store) runBackfillBatch(ctx context.Context, db *sql.DB, statement string) (rows int64, err error) {
	for begin := time.Now(); ; {
		result, err := db.ExecContext(ctx, statement)
		if err == nil {
			return result.RowsAffected()
		}
		if !s.waitToRetryStep(ctx, err, begin) {
			return 0, err
		}
	}
}
