package models

import (
	"context"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
)

// A token that is being issued while the password changes is deleted with the others. That also
// holds in a database without gap locks, such as MySQL with READ COMMITTED.
func TestPasswordChangeDeletesTokenBeingIssued(t *testing.T) {
	t.Parallel()
	s := openStore(t, dbtest.MySQL(t), Options{MaxConnections: 3})
	migrate(t, s)
	readCommitted(t, s, 3)
	ctx := testContext(t)
	u := createUser(t, s, newUser("ada@example.com"))
	session := newSession(u)
	requireNoError(t, s.CreateSession(ctx, session))
	m := &Mail{ID: newID(), Kind: MailConfirm, UserID: &u.ID, Email: "eve@example.com", EmailKey: "eve@example.com", CreatedAt: moment, DueAt: moment}
	requireNoError(t, s.CreateMails(ctx, []*Mail{m}))
	requireNoError(t, s.ClaimMail(ctx, m, newID(), moment))
	changed := make(chan error, 1)
	err := s.Transaction(ctx, func(tx *Store) error { // IssueToken, step by step
		if err := tx.ExtendMailClaim(ctx, m, moment); err != nil {
			return err
		}
		go func() { changed <- s.ChangePassword(ctx, u, "new", session, nil, moment) }()
		waitForStatement(ctx, t, s, "DELETE FROM `mails`%")
		return tx.upsertToken(ctx, &OneTimeToken{
			ID: m.ID, Hash: make([]byte, 32), UserID: u.ID, Purpose: "change", SingletonKey: new("change"), Email: m.Email, EmailKey: m.EmailKey,
			ExpiresAt: moment.Add(time.Hour),
		})
	})
	requireNoError(t, err)
	requireNoError(t, <-changed)
	if got := queryAll[OneTimeToken](t, s, "SELECT id FROM tickets"); len(got) != 0 {
		t.Error("the token still exists after the password change")
	}
}

// readCommitted sets the isolation level on all n connections, by using them at the same time.
func readCommitted(t *testing.T, s *Store, n int) {
	t.Helper()
	if n == 0 {
		return
	}
	requireNoError(t, s.Transaction(testContext(t), func(tx *Store) error {
		execute(t, tx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
		readCommitted(t, s, n-1)
		return nil
	}))
}

// waitForStatement returns when a statement like this one runs; in a test that means it waits for a
// lock.
func waitForStatement(ctx context.Context, t *testing.T, s *Store, like string) {
	t.Helper()
	for ctx.Err() == nil {
		if len(queryAll[string](t, s, "SELECT info FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE ?", like)) > 0 {
			return
		}
	}
	t.Error("found no statement like " + like)
}
