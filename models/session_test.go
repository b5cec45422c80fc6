package models

import (
	"context"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

func TestSessionRoundTripsWithUser(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	disabled := moment.Add(time.Millisecond)
	for _, row := range []struct {
		name string
		edit func(*Session, *User)
	}{
		{"without optional values", func(*Session, *User) {}},
		{"with all values", func(s *Session, u *User) {
			s.RememberMe, s.IP = true, text("2001:db8:ffff:ffff:ffff:ffff:255.255.255.255")
			s.UserAgent = text(strings.Repeat("𝔘", 255))
			u.EmailVerifiedAt, u.DisabledAt = &disabled, &disabled
		}},
		{"with empty strings", func(s *Session, _ *User) { s.IP, s.UserAgent = text(""), text("") }},
		{"with a hash that is not text", func(s *Session, _ *User) {
			s.RefreshHash = []byte("\x00\xff'\"\\\x1a" + strings.Repeat("\x80", 25) + "\x00")
		}},
		{"of another epoch", func(s *Session, u *User) { s.Epoch, u.SessionEpoch = 1, 1<<62 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s *Store) {
				ctx := testContext(t)
				user, other := newUser("ada@example.com"), createUser(t, s, newUser("bob@example.com"))
				want := newSession(user)
				row.edit(want, user)
				createUser(t, s, user)
				requireNoError(t, s.CreateSession(ctx, want))
				requireNoError(t, s.CreateSession(ctx, newSession(other)))
				got, err := s.SessionWithUser(ctx, want.ID, want.UserID)
				requireNoError(t, err)
				wantSame(t, got.User, user)
				g, w := *got, *want
				g.User, w.User = nil, nil
				if !reflect.DeepEqual(g, w) {
					t.Errorf("got  %+v\nwant %+v", g, w)
				}
			})
		})
	}
}

func TestCreateSessionDoesNotChangeUser(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		u := createUser(t, s, newUser("ada@example.com"))
		changed := *u
		changed.Role = "ADMIN"
		requireNoError(t, s.CreateSession(ctx, newSession(&changed)))
		requireNoError(t, s.CreateSession(ctx, newSession(newUser("nobody@example.com"))))
		got, err := s.UserByID(ctx, u.ID)
		requireNoError(t, err)
		wantSame(t, got, u)
		if n := queryAll[int](t, s, "SELECT COUNT(*) FROM users"); n[0] != 1 {
			t.Errorf("got %d users, want 1", n[0])
		}
	})
}

func TestSessionWithUserIsOneQuery(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		session := newSession(createUser(t, s, newUser("ada@example.com")))
		requireNoError(t, s.CreateSession(ctx, session))
		for range 2 {
			before := s.Queries()
			_, err := s.SessionWithUser(ctx, session.ID, session.UserID)
			requireNoError(t, err)
			if n := s.Queries() - before; n != 1 {
				t.Errorf("got %d queries, want 1", n)
			}
		}
	})
}

// A running lookup cannot be cancelled, so there are never more of them than connections. Further
// lookups wait for the semaphore, and that wait can be cancelled.
func TestQueuedSessionLookupStopsWithContext(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		s := openStore(t, databaseURL, Options{MaxConnections: 1})
		migrate(t, s)
		ctx := testContext(t)
		session := newSession(createUser(t, s, newUser("ada@example.com")))
		requireNoError(t, s.CreateSession(ctx, session))
		first := make(chan error, 1)
		requireNoError(t, s.Transaction(ctx, func(tx *Store) error {
			before := s.pool.Stats().WaitCount
			go func() { _, err := s.SessionWithUser(ctx, session.ID, session.UserID); first <- err }()
			for s.pool.Stats().WaitCount == before && ctx.Err() == nil {
				runtime.Gosched() // until the first one waits for the only connection
			}
			hangsUp, cancel := context.WithCancel(ctx)
			second := make(chan error, 1)
			go func() { _, err := s.SessionWithUser(hangsUp, session.ID, session.UserID); second <- err }()
			cancel()
			wantError(t, <-second, context.Canceled)
			_, err := tx.SessionWithUser(ctx, session.ID, session.UserID)
			return err
		}))
		requireNoError(t, <-first)
		_, err := s.SessionWithUser(ctx, session.ID, session.UserID)
		requireNoError(t, err)
	})
}

func TestSessionOfDeletedUserIsErrNotFound(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		session := newSession(createUser(t, s, newUser("ada@example.com")))
		requireNoError(t, s.CreateSession(ctx, session))
		execute(t, s, "DELETE FROM users")
		_, err := s.SessionWithUser(ctx, session.ID, session.UserID)
		wantError(t, err, ErrNotFound)
	})
}

func TestDuplicateRefreshHashIsRejected(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		one := newSession(createUser(t, s, newUser("ada@example.com")))
		two := newSession(one.User)
		two.RefreshHash = one.RefreshHash
		requireNoError(t, s.CreateSession(ctx, one))
		if err := s.CreateSession(ctx, two); err == nil {
			t.Error("got no error for a duplicate refresh hash")
		}
	})
}

func TestSessionEndedChecksEpochExpiryAndAccount(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		edit func(*Session)
		now  time.Time
		want bool
	}{
		{"not before it expires", func(*Session) {}, moment, false},
		{"not a nanosecond before it expires", func(*Session) {}, moment.Add(time.Hour - 1), false},
		{"at its expiry", func(*Session) {}, moment.Add(time.Hour), true},
		{"at its expiry in another time zone", func(*Session) {}, moment.Add(time.Hour).In(time.FixedZone("", 3600)), true},
		{"after its expiry", func(*Session) {}, moment.Add(time.Hour + 1), true},
		{"when all sessions were revoked", func(s *Session) { s.User.SessionEpoch++ }, moment, true},
		{"when its epoch is in the future", func(s *Session) { s.Epoch++ }, moment, true},
		{"not when both epochs are later", func(s *Session) { s.Epoch, s.User.SessionEpoch = 7, 7 }, moment, false},
		{"when the account is disabled", func(s *Session) { s.User.DisabledAt = new(moment) }, moment, true},
		{"when the account will be disabled", func(s *Session) { s.User.DisabledAt = new(moment.Add(time.Hour)) }, moment, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newSession(newUser("ada@example.com"))
			row.edit(s)
			if got := s.Ended(row.now); got != row.want {
				t.Errorf("got %t, want %t", got, row.want)
			}
		})
	}
}
