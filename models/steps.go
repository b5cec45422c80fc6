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

// step is a numbered file. What is in front of its first statement says of what kind it is; docs/upgrade.md has the rules.
type step struct {
	number   int64
	name     string
	contract string   // what it takes away, and since when nothing reads that; empty: it only adds
	backfill []string // statements that are run again until they change nothing; nil: it has others
}

const upMark, downMark = "-- +goose Up\n", "-- +goose Down\n"

var (
	contractForm = regexp.MustCompile(`(?m)^-- contract: (.+)$`)
	backfillForm = regexp.MustCompile(`(?m)^-- backfill\b`)
)

func (s *Store) steps() ([]step, error) { return stepsIn(s.migrations) }

func stepsIn(folder fs.FS) (list []step, err error) {
	names, err := fs.Glob(folder, "*.sql") // in order
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
	if found := contractForm.FindStringSubmatch(header); found != nil {
		st.contract = found[1]
	}
	if backfillForm.MatchString(header) {
		up, _, _ := strings.Cut(body, downMark)
		st.backfill = strings.Split(strings.TrimSuffix(strings.TrimSpace(up), ";"), ";\n")
	}
	return st, nil
}

// fill runs each statement again until it changes nothing. Each time is a transaction of its own, and others get a turn
// after it, for as long as it took: so nobody waits for longer than one of them.
func (st step) fill(ctx context.Context, db *sql.DB) error {
	for _, statement := range st.backfill {
		for changed := int64(-1); changed != 0; {
			begin := time.Now()
			result, err := db.ExecContext(ctx, statement)
			if err == nil {
				changed, err = result.RowsAffected()
			}
			if err == nil {
				err = rest(ctx, time.Since(begin))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
