package models

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/limit"
)

// uniqueKeys are the keys for which a sharded database may keep a table of its own.
var uniqueKeys = map[string][]string{
	"users":                 {"id", "email_key"},
	"sessions":              {"id", "refresh_hash", "parent_hash"},
	"spent_tokens":          {"hash"},
	"tickets":               {"id", "hash", "user_id, slot"},
	"mails":                 {"id"},
	"limits":                {"id"},
	"trusted_places":        {"id"},
	"pending_registrations": {"id"},
	"audit":                 {"id"},
}

// createKeyLog adds triggers that log every key that a statement inserts or deletes. A rollback
// removes entries from the log.
func createKeyLog(t *testing.T, s *Store) {
	t.Helper()
	execute(t, s, "CREATE TABLE key_log (name VARCHAR(64), value VARCHAR(200), event VARCHAR(8))")
	for table, keys := range uniqueKeys {
		for event, row := range map[string]string{"INSERT": "NEW", "DELETE": "OLD"} {
			var inserts strings.Builder
			for _, key := range keys {
				var values []string
				for column := range strings.SplitSeq(key, ", ") {
					values = append(values, "HEX("+row+"."+column+")")
				}
				value := strings.Join(values, " || ")
				if s.dialect.name() == "mysql" {
					value = "CONCAT(" + strings.Join(values, ", ") + ")"
				}
				fmt.Fprintf(&inserts, "INSERT INTO key_log VALUES ('%s.%s', %s, '%s'); ", table, key, value, event)
			}
			execute(t, s, fmt.Sprintf("CREATE TRIGGER key_log_%s_%s AFTER %s ON %s FOR EACH ROW BEGIN %sEND", table, event, event, table, &inserts))
		}
	}
}

// A database that keeps a unique key in a table of its own (a lookup vindex of Vitess) deadlocks
// with itself if one transaction inserts and deletes the key, in either order.
func TestTransactionsNeverInsertAndDeleteSameKey(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		createKeyLog(t, s)
		later := moment.Add(time.Hour)
		key, other := "reset", "verify"
		ada := newUser("ada")
		mailTo := func() *Mail {
			return &Mail{ID: newID(), Kind: "kind", UserID: &ada.ID, Email: "ada", EmailKey: "ada", CreatedAt: moment, DueAt: moment, Claim: new("claim")}
		}
		one, two, three := mailTo(), mailTo(), mailTo()
		issue := func(m *Mail, key *string) func(context.Context, *Store) error {
			return func(ctx context.Context, tx *Store) error {
				token := newToken(ada.ID, "ada", key, later)
				token.ID = m.ID
				return tx.IssueToken(ctx, m, token, later)
			}
		}
		session, session2, session3 := newSession(ada), newSession(ada), newSession(ada)
		places := []*TrustedPlace{{ID: []byte(newID())[:32], UserID: ada.ID, Place: []byte(newID())[:32], ExpiresAt: later}}
		change, undo := newToken(ada.ID, "new", &other, later), newToken(ada.ID, "ada", nil, later)
		reservations := []Reservation{{Name: "limit", ID: []byte(newID())[:32], Rate: limit.Rate{Count: 3, Window: time.Hour}}}
		reserveEmail(t, s, "reserved", later)
		inTransaction := func(f func(context.Context, *Store) error) func(context.Context) error {
			return func(ctx context.Context) error {
				return s.Transaction(ctx, func(tx *Store) error { return f(ctx, tx) })
			}
		}
		refresh := func(ctx context.Context) error {
			old, err := s.SessionWithUser(ctx, session.ID, ada.ID)
			if err != nil {
				return err
			}
			return s.Rotate(ctx, old, Rotation{
				RefreshHash: []byte(newID())[:32], Nonce: []byte(newID())[:32], At: moment, ExpiresAt: later, SpentExpiresAt: later,
			})
		}
		inserted := map[string]bool{}
		for _, step := range []struct {
			name string
			run  func(context.Context) error
		}{
			{"an account", inTransaction(func(ctx context.Context, tx *Store) error { return tx.CreateUserUnlessReserved(ctx, ada) })},
			{"an account whose address is reserved", inTransaction(func(ctx context.Context, tx *Store) error {
				wantError(t, tx.CreateUserUnlessReserved(ctx, newUser("reserved")), ErrEmailTaken)
				return tx.CreateMails(ctx, []*Mail{mailTo()})
			})},
			{"mails", inTransaction(func(ctx context.Context, tx *Store) error { return tx.CreateMails(ctx, []*Mail{one, two, three}) })},
			{"a token", inTransaction(issue(one, &key))},
			{"another token of the same mail", inTransaction(issue(one, &key))},
			{"a token that replaces that of another mail", inTransaction(issue(two, &key))},
			{"a token with another key", inTransaction(issue(one, &other))},
			{"a token without a key", inTransaction(issue(three, nil))},
			{"another token without a key", inTransaction(issue(three, nil))},
			{"a sign-in", inTransaction(func(ctx context.Context, tx *Store) error {
				if err := tx.SaveTrustedPlaces(ctx, places, 1); err != nil {
					return err
				}
				return tx.CreateSession(ctx, session)
			})},
			{"a refresh", refresh},
			{"another refresh", refresh},
			{"a sign-in beyond the cap", func(ctx context.Context) error { _, _, err := s.AddSession(ctx, session2, 1); return err }},
			{"a place beyond the cap", func(ctx context.Context) error {
				place := *places[0]
				place.ID, place.ExpiresAt = []byte(newID())[:32], later.Add(time.Hour)
				return s.SaveTrustedPlaces(ctx, []*TrustedPlace{&place}, 1)
			}},
			{"a reservation", func(ctx context.Context) error { return second(s.Acquire(ctx, reservations)) }},
			{"another reservation", func(ctx context.Context) error { return second(s.Acquire(ctx, reservations)) }},
			{"a mark", func(ctx context.Context) error { return second(s.SetMark(ctx, []byte(newID())[:32], later)) }},
			{"a request to change the address", func(ctx context.Context) error {
				return s.RequestEmailChange(ctx, ada, other, []*Mail{mailTo()})
			}},
			{"the token of the change", inTransaction(func(ctx context.Context, tx *Store) error { return tx.upsertToken(ctx, change) })},
			{"a change of the address", func(ctx context.Context) error {
				return s.ChangeEmail(ctx, change, 0, undo, []*Mail{mailTo()}, moment)
			}},
			{"an undo of the change", func(ctx context.Context) error { return s.RestoreEmail(ctx, undo, []*Mail{mailTo()}, moment) }},
			{"another sign-in", func(ctx context.Context) error { return s.CreateSession(ctx, session3) }},
			{"a deletion", inTransaction(func(ctx context.Context, tx *Store) error {
				user, err := tx.UserByID(ctx, ada.ID)
				if err == nil {
					err = tx.DeleteUser(ctx, user, moment)
				}
				if err != nil {
					return err
				}
				return tx.CreateMails(ctx, []*Mail{mailTo()})
			})},
		} {
			for _, name := range queryAll[string](t, s, "SELECT DISTINCT name FROM key_log WHERE event = 'INSERT'") {
				inserted[name] = true
			}
			execute(t, s, "DELETE FROM key_log")
			if err := step.run(ctx); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			both := queryAll[string](t, s, "SELECT DISTINCT i.name FROM key_log i JOIN key_log d ON d.name = i.name AND d.value = i.value"+
				" WHERE i.event = 'INSERT' AND d.event = 'DELETE'")
			if len(both) > 0 {
				t.Errorf("%s: got %q inserted and deleted, want none", step.name, both)
			}
		}
		for _, name := range []string{
			"users.email_key", "sessions.refresh_hash", "spent_tokens.hash", "tickets.hash", "tickets.user_id, slot", "mails.id", "limits.id", "trusted_places.id",
		} {
			if !inserted[name] {
				t.Errorf("no step inserted %s", name)
			}
		}
	})
}
