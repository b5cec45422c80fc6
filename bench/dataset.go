package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"fieldgate/models"
)

// user is the number of an account in a filled database, from 0. Each account has one session.
type user int

func (p user) id() string        { return fmt.Sprintf("01900000-0000-7000-8000-%012x", int(p)) }
func (p user) sessionID() string { return fmt.Sprintf("01900000-0000-7000-9000-%012x", int(p)) }
func (p user) email() string     { return fmt.Sprintf("person%08d@example.com", int(p)) }
func (p user) name() string      { return fmt.Sprintf("Person %08d", int(p)) }

// session returns the user's session as the issuer of access tokens takes it.
func (p user) session() *models.Session {
	return &models.Session{ID: p.sessionID(), UserID: p.id(), User: &models.User{ID: p.id(), Role: "USER"}}
}

// fillDataset inserts n users into a migrated and empty database. All have one password, hashed
// with plain bcrypt, which every compared server reads. Indexed values are in the order of the
// rows, so that each index grows at its end: two million random values would take many times as
// long, and me reads none of those indexes.
func fillDataset(ctx context.Context, db *sql.DB, n int, passwordHash string) error {
	now := time.Now().UTC()
	tables := []struct {
		insert, values string
		args           []any
	}{
		{
			`users (id, email, email_key, email_verified_at, name, name_key, password_hash, role, session_epoch,
				created_at, updated_at)`,
			`CONCAT('01900000-0000-7000-8000-', LPAD(LOWER(HEX(n)), 12, '0')),
				CONCAT('person', LPAD(n, 8, '0'), '@example.com'), CONCAT('person', LPAD(n, 8, '0'), '@example.com'),
				?, CONCAT('Person ', LPAD(n, 8, '0')), CONCAT('person ', LPAD(n, 8, '0')), ?, 'USER', 0, ?, ?`,
			[]any{now, passwordHash, now, now},
		},
		{
			"sessions (id, user_id, epoch, refresh_hash, remember_me, created_at, last_used_at, expires_at)",
			`CONCAT('01900000-0000-7000-9000-', LPAD(LOWER(HEX(n)), 12, '0')),
				CONCAT('01900000-0000-7000-8000-', LPAD(LOWER(HEX(n)), 12, '0')),
				0, UNHEX(LPAD(HEX(n), 64, '0')), FALSE, ?, ?, ?`,
			[]any{now, now, now.Add(24 * time.Hour)},
		},
	}
	errs := make(chan error, len(tables))
	for _, table := range tables { // concurrently: each insert takes one CPU of the database
		go func() {
			digits, numbers := numberSequence(n)
			_, err := db.ExecContext(ctx, "INSERT INTO "+table.insert+" WITH digits AS ("+digits+") SELECT "+table.values+
				" FROM ("+numbers+") AS numbers ORDER BY n", table.args...)
			errs <- err
		}()
	}
	var err error
	for range tables {
		err = errors.Join(err, <-errs)
	}
	if err == nil {
		_, err = db.ExecContext(ctx, "ANALYZE TABLE users, sessions")
	}
	if err != nil {
		return fmt.Errorf("fill a database with %d users: %w", n, err)
	}
	return nil
}

// numberSequence returns SQL for the numbers below n, in syntax that MySQL and MariaDB share: the
// digits as a common table expression, and a query that combines them.
func numberSequence(n int) (digits, numbers string) {
	digits = "SELECT 0 AS d"
	for d := 1; d <= 9; d++ {
		digits += fmt.Sprintf(" UNION ALL SELECT %d", d)
	}
	var sum, from []string
	for i, place := 0, 1; place < n; i, place = i+1, place*10 {
		sum = append(sum, fmt.Sprintf("d%d.d * %d", i, place))
		from = append(from, fmt.Sprintf("digits AS d%d", i))
	}
	return digits, fmt.Sprintf("SELECT %s AS n FROM %s HAVING n < %d",
		strings.Join(sum, " + "), strings.Join(from, ", "), n)
}
