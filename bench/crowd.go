package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"fieldgate/models"
)

// person is the nth account of a filled database; the first is number 0. Each has one session.
type person int

func (p person) id() string        { return fmt.Sprintf("01900000-0000-7000-8000-%012x", int(p)) }
func (p person) sessionID() string { return fmt.Sprintf("01900000-0000-7000-9000-%012x", int(p)) }
func (p person) email() string     { return fmt.Sprintf("person%d@example.com", int(p)) }
func (p person) name() string      { return fmt.Sprintf("Person %d", int(p)) }

// session is what an access token is made for.
func (p person) session() *models.Session {
	return &models.Session{ID: p.sessionID(), UserID: p.id(), User: &models.User{ID: p.id(), Role: "USER"}}
}

// fill puts n people into a migrated and empty database, all with one password: as plain bcrypt, which every server
// here can read. One statement a table, without looking for duplicates in an index that is still being made, is what
// makes MariaDB sort each index once instead of inserting two million times.
func fill(ctx context.Context, db *sql.DB, n int, passwordHash string) error {
	conn, err := db.Conn(ctx) // the settings are one connection's
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	digits, numbers := numbered(n)
	now := time.Now().UTC()
	for _, statement := range []struct {
		text string
		args []any
	}{
		{"SET unique_checks = 0, foreign_key_checks = 0", nil},
		{`INSERT INTO users (id, email, email_key, email_verified_at, name, name_key, password_hash, role, session_epoch, created_at, updated_at)
			WITH digits AS (` + digits + `)
			SELECT CONCAT('01900000-0000-7000-8000-', LPAD(LOWER(HEX(n)), 12, '0')), CONCAT('person', n, '@example.com'), CONCAT('person', n, '@example.com'),
				?, CONCAT('Person ', n), CONCAT('person ', n), ?, 'USER', 0, ?, ?
			FROM (` + numbers + `) AS numbers ORDER BY n`, []any{now, passwordHash, now, now}},
		{`INSERT INTO sessions (id, user_id, epoch, refresh_hash, remember_me, created_at, last_used_at, expires_at)
			WITH digits AS (` + digits + `)
			SELECT CONCAT('01900000-0000-7000-9000-', LPAD(LOWER(HEX(n)), 12, '0')), CONCAT('01900000-0000-7000-8000-', LPAD(LOWER(HEX(n)), 12, '0')),
				0, UNHEX(SHA2(n, 256)), FALSE, ?, ?, ?
			FROM (` + numbers + `) AS numbers ORDER BY n`, []any{now, now, now.Add(24 * time.Hour)}},
		{"ANALYZE TABLE users, sessions", nil},
	} {
		if _, err := conn.ExecContext(ctx, statement.text, statement.args...); err != nil {
			return fmt.Errorf("fill a database with %d people: %w", n, err)
		}
	}
	return nil
}

// numbered is SQL for the numbers below n, in the words that MySQL and MariaDB share: the digits, and what combines them.
func numbered(n int) (digits, numbers string) {
	digits = "SELECT 0 AS d"
	for d := 1; d <= 9; d++ {
		digits += fmt.Sprintf(" UNION ALL SELECT %d", d)
	}
	var sum, from []string
	for i, place := 0, 1; place < n; i, place = i+1, place*10 {
		sum = append(sum, fmt.Sprintf("d%d.d * %d", i, place))
		from = append(from, fmt.Sprintf("digits AS d%d", i))
	}
	return digits, fmt.Sprintf("SELECT %s AS n FROM %s HAVING n < %d", strings.Join(sum, " + "), strings.Join(from, ", "), n)
}
