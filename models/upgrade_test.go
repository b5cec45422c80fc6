package models

import (
	"testing"

	"fieldgate/internal/dbtest"
)

// A newer program changes the tables under one that has asked them before and keeps its statements prepared. What that
// one asks next is answered as if nothing had happened, the first time too.
func TestTablesChangeUnderARunningStore(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s, newer := newStore(t, databaseURL), openStore(t, databaseURL, Options{})
		u := createUser(t, s, newUser("ada@example.com"))
		session := newSession(u)
		noError(t, s.CreateSession(testContext(t), session))
		for _, statement := range []string{
			"ALTER TABLE users ADD COLUMN nickname VARCHAR(100) NULL",
			"ALTER TABLE users ADD COLUMN points BIGINT NOT NULL DEFAULT 7",
			"CREATE INDEX users_points ON users (points)",
			"CREATE TABLE pets (id BIGINT PRIMARY KEY)",
			"ALTER TABLE users DROP COLUMN nickname",
			"",
		} {
			for range 3 {
				asking, err := s.SessionWithUser(testContext(t), session.ID)
				if err != nil || asking.User.Role != u.Role || !asking.ExpiresAt.Equal(session.ExpiresAt) {
					t.Fatalf("before %q: %+v, %v", statement, asking, err)
				}
				got, err := s.UserByID(testContext(t), u.ID)
				if err != nil || *got != *u {
					t.Fatalf("before %q: %+v, %v; want %+v", statement, got, err, u)
				}
			}
			if statement != "" {
				execute(t, newer, statement)
			}
		}
	})
}
