package e2e

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// insertSessions inserts n sessions of a user in one statement. Session i was used i+1 minutes ago.
func insertSessions(t *testing.T, b *testServer, databaseURL string, p *servertest.User, n int) (ids []string) {
	t.Helper()
	rows, now := make([]string, n), b.internal.Store.Now()
	at := func(d time.Duration) string { return now.Add(d).Format("2006-01-02 15:04:05.000") }
	for i := range rows {
		ids = append(ids, newRowID())
		used := at(-time.Duration(i+1) * time.Minute)
		rows[i] = fmt.Sprintf("('%s', '%s', 0, '%032d', 0, '%s', '%s', '%s')", ids[i], p.ID, addressCounter.Add(1), used, used, at(time.Hour))
	}
	_, err := servertest.OpenDatabase(t, databaseURL).ExecContext(t.Context(),
		"INSERT INTO sessions (id, user_id, epoch, refresh_hash, remember_me, created_at, last_used_at, expires_at) VALUES "+strings.Join(rows, ", "))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// sessionIDs returns the ids of a user's sessions.
func sessionIDs(t *testing.T, db *sql.DB, p *servertest.User) (ids []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM sessions WHERE user_id = '"+p.ID+"'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestAccountHasAtMostAHundredSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "SESSION_RECHECK", "1m")
		db := servertest.OpenDatabase(t, databaseURL)
		t.Run("a sign-in revokes the least recently used session", func(t *testing.T) {
			p := b.NewUser("USER")
			oldest := b.newDevice(p, false)
			if !b.isSignedIn(oldest.User) { // the server caches the session from now on
				t.Fatal("the new session is invalid")
			}
			insertSessions(t, b, databaseURL, p, 98)
			_, err := db.ExecContext(t.Context(), "UPDATE sessions SET last_used_at = '2020-01-01 00:00:00.000' WHERE id = '"+oldest.session+"'")
			if err != nil {
				t.Fatal(err)
			}
			newest := b.newDevice(p, false)
			if n := len(sessionIDs(t, db, p)); n != 100 || b.isSignedIn(oldest.User) || !b.isSignedIn(newest.User) || !b.isSignedIn(p) {
				t.Errorf("%d sessions, want 100 without the least recently used", n)
			}
			wantCodes(t, b.Query(nil, refreshInBody, "t", oldest.refresh), "refresh INVALID_TOKEN")
			var event, detail sql.NullString
			row := db.QueryRowContext(t.Context(), "SELECT event, actor_id FROM audit WHERE session_id = '"+oldest.session+"' ORDER BY id DESC LIMIT 1")
			if err := row.Scan(&event, &detail); err != nil || event.String != account.EventSessionRevoked || detail.String != p.ID {
				t.Errorf("the audit log has %q by %q: %v", event.String, detail.String, err)
			}
			lines := 0
			for _, record := range b.Log.Records(b.t) {
				if record["msg"] == "session revoked" && record["session_id"] == oldest.session && record["user_id"] == p.ID {
					lines++
				}
			}
			if lines != 1 {
				t.Errorf("%d log lines, want 1", lines)
			}
		})
		t.Run("expired sessions do not count", func(t *testing.T) {
			p := b.NewUser("USER")
			d := b.newDevice(p, false)
			insertSessions(t, b, databaseURL, p, 150)
			_, err := db.ExecContext(t.Context(), "UPDATE sessions SET expires_at = '2020-01-01 00:00:00.000' WHERE user_id = '"+p.ID+"' AND id <> '"+d.session+"'")
			if err != nil {
				t.Fatal(err)
			}
			b.newDevice(p, false)
			if n := len(sessionIDs(t, db, p)); n != 153 || !b.isSignedIn(d.User) {
				t.Errorf("%d rows, want 153 and no session revoked", n)
			}
		})
		t.Run("an account with more sessions is reduced to a hundred", func(t *testing.T) {
			p := b.NewUser("USER")
			insertSessions(t, b, databaseURL, p, 180)
			b.newDevice(p, false)
			if n := len(sessionIDs(t, db, p)); n != 100 {
				t.Errorf("%d rows, want 100", n)
			}
		})
		t.Run("sessions of other accounts are not revoked", func(t *testing.T) {
			p, other := b.NewUser("USER"), b.NewUser("USER")
			insertSessions(t, b, databaseURL, p, 99)
			b.newDevice(other, false)
			b.newDevice(p, false)
			if n := len(sessionIDs(t, db, other)); n != 2 || !b.isSignedIn(other) {
				t.Errorf("%d rows, want 2", n)
			}
		})
	})
}

func TestConcurrentSignInsLeaveAHundredSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		one, two := boot(t, databaseURL), boot(t, databaseURL)
		p := one.NewUser("USER")
		insertSessions(t, one, databaseURL, p, 80)
		answers := make(chan *servertest.Response)
		for i := range 50 {
			b := []*testServer{one, two}[i%2]
			go func() { answers <- b.Query(nil, loginQuery, "e", p.Email, "p", p.Password) }()
		}
		for range 50 {
			if got := <-answers; got.At("login.accessToken") == nil {
				t.Errorf("%s", got.Body)
			}
		}
		if n := len(sessionIDs(t, servertest.OpenDatabase(t, databaseURL), p)); n != 100 {
			t.Errorf("%d sessions, want 100", n)
		}
	})
}

func TestSessionsArePaged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p, other := b.NewUser("USER"), b.NewUser("USER")
		b.Clock.Stop()
		want := insertSessions(t, b, databaseURL, p, 79)
		// Equal times are ordered by id.
		_, err := servertest.OpenDatabase(t, databaseURL).ExecContext(t.Context(),
			"UPDATE sessions SET last_used_at = '2026-01-01 00:00:00.000' WHERE user_id = '"+p.ID+"' AND id IN ('"+strings.Join(want[40:60], "', '")+"')")
		if err != nil {
			t.Fatal(err)
		}
		const sessions = `query($n: Int!, $a: String) { sessions(first: $n, after: $a) { id lastUsedAt } }`
		ids := func(got *servertest.Response) (list []string) {
			for _, s := range got.Must().At("sessions").([]any) {
				list = append(list, s.(map[string]any)["id"].(string))
			}
			return list
		}
		all := ids(b.Query(p, sessions, "n", 100))
		if len(all) != 80 {
			t.Fatalf("%d sessions, want 80", len(all))
		}
		for _, first := range []int{1, 7, 40, 80, 100} {
			var pages []string
			for after := any(nil); ; after = pages[len(pages)-1] {
				page := ids(b.Query(p, sessions, "n", first, "a", after))
				pages = append(pages, page...)
				if len(page) < first {
					break
				}
			}
			if !slices.Equal(pages, all) {
				t.Errorf("pages of %d: got %d sessions, want all 80 in order", first, len(pages))
			}
		}
		if got := ids(b.Query(p, `{ sessions { id } }`)); !slices.Equal(got, all[:50]) {
			t.Errorf("%d sessions by default, want the first 50", len(got))
		}
		foreign := ids(b.Query(other, `{ sessions { id } }`))[0]
		for name, row := range map[string]struct {
			first int
			after any
			field string
		}{
			"first 0": {0, nil, "first"}, "first -1": {-1, nil, "first"}, "first 101": {101, nil, "first"},
			"after another user's session": {10, foreign, "after"}, "after an invalid id": {10, "x", "after"}, "after an unknown id": {10, newRowID(), "after"},
			"after a non-ASCII id": {10, "é", "after"},
		} {
			got := b.Query(p, sessions, "n", row.first, "a", row.after)
			if wantCodes(t, got, "sessions BAD_USER_INPUT"); !slices.Equal(invalidFields(got), []string{row.field}) {
				t.Errorf("%s: %s", name, got.Body)
			}
		}
	})
}
