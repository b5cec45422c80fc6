package models

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"

	"fieldgate/internal/dbtest"
)

// marker is part of every value that the test gives to the store.
const marker = "hunter2"

func TestStatementLogShowsNoValues(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var out syncBuffer
		// Level debug and all lower levels.
		s := openStore(t, databaseURL, Options{Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.Level(-100)}))})
		migrate(t, s)
		ctx := testContext(t)
		u := newUser(marker + "@example.com")
		u.Name, u.NameKey, u.PasswordHash, u.Role = marker, marker, marker, marker
		session := newSession(u)
		text := marker
		session.RefreshHash, session.IP, session.UserAgent = []byte(marker+strings.Repeat("x", 25)), &text, &text
		for name, err := range map[string]error{
			"CreateUser":          s.CreateUser(ctx, u),
			"CreateSession":       s.CreateSession(ctx, session),
			"UserByID":            second(s.UserByID(ctx, u.ID)),
			"UserByEmailKey":      second(s.UserByEmailKey(ctx, u.EmailKey)),
			"SetName":             s.SetName(ctx, u.ID, marker, marker),
			"SetRole":             s.SetRole(ctx, u.ID, marker),
			"ReplacePasswordHash": s.ReplacePasswordHash(ctx, u.ID, marker, marker+marker),
			"Users":               second(s.Users(ctx, UserFilter{Prefix: marker, Role: marker, After: Cursor{ID: marker, Key: marker}, Limit: 1})),
			"SessionWithUser":     second(s.SessionWithUser(ctx, session.ID, session.UserID)),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		// Failing statements must not log values either.
		refused := []error{
			s.CreateUser(ctx, u), s.CreateSession(ctx, session), s.SetName(ctx, marker, marker, marker),
			second(s.UserByID(ctx, marker)), second(s.UserByEmailKey(ctx, marker)), second(s.SessionWithUser(ctx, marker, u.ID)),
		}
		if s.dialect.name() == "mysql" {
			refused = append(refused, s.SetRole(ctx, u.ID, strings.Repeat(marker, 10)), s.Transaction(ctx, func(*Store) error {
				return errors.Join(mysqlError(9007), errors.New("key={"+marker+"}"))
			}))
		}
		for i, err := range refused {
			if err == nil {
				t.Errorf("call %d that should fail succeeded", i)
			}
		}
		for _, secret := range []string{marker, hex.EncodeToString([]byte(marker)), fmt.Sprint([]byte(marker)), u.ID, session.ID} {
			if strings.Contains(strings.ToLower(out.String()), secret) {
				t.Errorf("the log contains %q", secret)
			}
		}
		for _, want := range []string{"INSERT INTO `users`", "INSERT INTO `sessions`", "UPDATE `users`", "INNER JOIN", "failed=true", "rows=1"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log does not contain %q", want)
			}
		}
		if t.Failed() {
			t.Log(out.String())
		}
	})
}

func TestStatementLogRequiresLevelDebug(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var out syncBuffer
		s := openStore(t, databaseURL, Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
		migrate(t, s)
		createUser(t, s, newUser("ada@example.com"))
		wantError(t, s.CreateUser(testContext(t), newUser("ada@example.com")), ErrEmailTaken)
		if out.String() != "" {
			t.Errorf("got log %s, want none", out.String())
		}
	})
}

func TestQueriesCountsTransactionStatements(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		before := s.Queries()
		u := newUser("ada@example.com")
		requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
			if err := tx.CreateUser(ctx, u); err != nil {
				return err
			}
			return tx.CreateSession(ctx, newSession(u))
		}))
		if n := s.Queries() - before; n != 2 {
			t.Errorf("got %d queries, want 2", n)
		}
	})
}

func TestOpenErrorsOmitPassword(t *testing.T) {
	t.Parallel()
	for _, databaseURL := range []string{
		"hunter2", "://hunter2", "postgres://root:hunter2@localhost/x", "mysql:root:hunter2@localhost/x",
		"mysql://root:hunter2@localhost", "mysql://root:hunter2@localhost/", "mysql://:hunter2@localhost/x",
		"mysql://root:hunter2@/x", "mysql://root:hunter2@localhost:port/x", "mysql://root:hunter2%zz@localhost/x",
		"mysql://root:hunter2\x00@localhost/x", "mysql://root:hunter2[@localhost/x", "mysql://root:hun/ter2@localhost/x",
		"mysql://root:hunter2?@localhost/x", "mysql://root:hunter2#@localhost/x", "mysql://root:hunter2@localhost/x?tls=strict",
		"mysql://root:hunter2@local host/x", "mysql://root:hunter2 @localhost/x",
	} {
		t.Run(strings.ReplaceAll(databaseURL, "/", "|"), func(t *testing.T) {
			t.Parallel()
			s, err := Open(databaseURL, Options{})
			if err == nil {
				_, err = s.Migrate(testContext(t))
				requireNoError(t, s.Close())
			}
			if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2") {
				t.Errorf("got error %v, want one without the password", err)
			}
		})
	}
}

// syncBuffer is a buffer for concurrent writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*syncBuffer)(nil)

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestStatementLogDurationsHaveUnit(t *testing.T) {
	t.Parallel()
	var out syncBuffer
	s := openStore(t, dbtest.SQLite(t), Options{Log: slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	migrate(t, s)
	if _, err := s.UserByID(testContext(t), "nobody"); err == nil {
		t.Fatal("found a user with an unknown id")
	}
	if line := out.String(); !regexp.MustCompile(`"duration":"\d+\.\d{3}ms"`).MatchString(line) {
		t.Errorf("got %s, want a duration with three decimals in ms", line)
	}
}
