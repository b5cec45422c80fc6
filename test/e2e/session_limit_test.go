package main

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
)

// addSessions puts sessions of a person into the database, in one statement. The n-th was used n minutes ago.
func addSessions(t *testing.T, b *booted, databaseURL string, p *person, n int) (ids []string) {
	t.Helper()
	rows, now := make([]string, n), b.store.Now()
	at := func(d time.Duration) string { return now.Add(d).Format("2006-01-02 15:04:05.000") }
	for i := range rows {
		ids = append(ids, newRowID())
		used := at(-time.Duration(i+1) * time.Minute)
		rows[i] = fmt.Sprintf("('%s', '%s', 0, '%032d', 0, '%s', '%s', '%s')", ids[i], p.id, people.Add(1), used, used, at(time.Hour))
	}
	_, err := openDatabase(t, databaseURL).ExecContext(t.Context(),
		"INSERT INTO sessions (id, user_id, epoch, refresh_hash, remember_me, created_at, last_used_at, expires_at) VALUES "+strings.Join(rows, ", "))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// sessionRows are the ids of a person's sessions.
func sessionRows(t *testing.T, db *sql.DB, p *person) (ids []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM sessions WHERE user_id = '"+p.id+"'")
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

func TestAnAccountHasAHundredSessionsAtMost(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL, "SESSION_RECHECK", "1m")
		db := openDatabase(t, databaseURL)
		t.Run("a sign-in revokes the one used least recently", func(t *testing.T) {
			p := b.newPerson("USER")
			oldest := b.newDevice(p, false)
			if !b.signedIn(oldest.person) { // which this server trusts from now on
				t.Fatal("not signed in")
			}
			addSessions(t, b, databaseURL, p, 98)
			_, err := db.ExecContext(t.Context(), "UPDATE sessions SET last_used_at = '2020-01-01 00:00:00.000' WHERE id = '"+oldest.session+"'")
			if err != nil {
				t.Fatal(err)
			}
			newest := b.newDevice(p, false)
			if n := len(sessionRows(t, db, p)); n != 100 || b.signedIn(oldest.person) || !b.signedIn(newest.person) || !b.signedIn(p) {
				t.Errorf("%d sessions, or another one was revoked", n)
			}
			wantCodes(t, b.ask(nil, refreshInBody, "t", oldest.refresh), "refresh INVALID_TOKEN")
			var event, detail sql.NullString
			row := db.QueryRowContext(t.Context(), "SELECT event, actor_id FROM audit WHERE session_id = '"+oldest.session+"' ORDER BY id DESC LIMIT 1")
			if err := row.Scan(&event, &detail); err != nil || event.String != account.EventSessionRevoked || detail.String != p.id {
				t.Errorf("audited %q by %q: %v", event.String, detail.String, err)
			}
			lines := 0
			for _, record := range b.logged() {
				if record["msg"] == "session revoked" && record["session_id"] == oldest.session && record["user_id"] == p.id {
					lines++
				}
			}
			if lines != 1 {
				t.Errorf("%d lines in the log", lines)
			}
		})
		t.Run("those that have ended do not count", func(t *testing.T) {
			p := b.newPerson("USER")
			d := b.newDevice(p, false)
			addSessions(t, b, databaseURL, p, 150)
			_, err := db.ExecContext(t.Context(), "UPDATE sessions SET expires_at = '2020-01-01 00:00:00.000' WHERE user_id = '"+p.id+"' AND id <> '"+d.session+"'")
			if err != nil {
				t.Fatal(err)
			}
			b.newDevice(p, false)
			if n := len(sessionRows(t, db, p)); n != 153 || !b.signedIn(d.person) {
				t.Errorf("%d rows", n)
			}
		})
		t.Run("an account that had more before comes down to a hundred", func(t *testing.T) {
			p := b.newPerson("USER")
			addSessions(t, b, databaseURL, p, 180)
			b.newDevice(p, false)
			if n := len(sessionRows(t, db, p)); n != 100 {
				t.Errorf("%d rows", n)
			}
		})
		t.Run("no session of another account ends", func(t *testing.T) {
			p, other := b.newPerson("USER"), b.newPerson("USER")
			addSessions(t, b, databaseURL, p, 99)
			b.newDevice(other, false)
			b.newDevice(p, false)
			if n := len(sessionRows(t, db, other)); n != 2 || !b.signedIn(other) {
				t.Errorf("%d rows", n)
			}
		})
	})
}

func TestManySignInsAtOnceLeaveAHundredSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		one, two := boot(t, databaseURL), boot(t, databaseURL)
		p := one.newPerson("USER")
		addSessions(t, one, databaseURL, p, 80)
		answers := make(chan *answer)
		for i := range 50 {
			b := []*booted{one, two}[i%2]
			go func() { answers <- b.ask(nil, loginQuery, "e", p.email, "p", p.password) }()
		}
		for range 50 {
			if got := <-answers; got.at("login.accessToken") == nil {
				t.Errorf("%s", got.body)
			}
		}
		if n := len(sessionRows(t, openDatabase(t, databaseURL), p)); n != 100 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestPagesOfSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p, other := b.newPerson("USER"), b.newPerson("USER")
		b.clock.stop()
		want := addSessions(t, b, databaseURL, p, 79)
		_, err := openDatabase(t, databaseURL).ExecContext(t.Context(), // some share their time, and then the id decides
			"UPDATE sessions SET last_used_at = '2026-01-01 00:00:00.000' WHERE user_id = '"+p.id+"' AND id IN ('"+strings.Join(want[40:60], "', '")+"')")
		if err != nil {
			t.Fatal(err)
		}
		const sessions = `query($n: Int!, $a: String) { sessions(first: $n, after: $a) { id lastUsedAt } }`
		ids := func(got *answer) (list []string) {
			for _, s := range got.must().at("sessions").([]any) {
				list = append(list, s.(map[string]any)["id"].(string))
			}
			return list
		}
		all := ids(b.ask(p, sessions, "n", 100))
		if len(all) != 80 {
			t.Fatalf("%d sessions", len(all))
		}
		for _, first := range []int{1, 7, 40, 80, 100} {
			var pages []string
			for after := any(nil); ; after = pages[len(pages)-1] {
				page := ids(b.ask(p, sessions, "n", first, "a", after))
				pages = append(pages, page...)
				if len(page) < first {
					break
				}
			}
			if !slices.Equal(pages, all) {
				t.Errorf("by %d: %d sessions, or in another order", first, len(pages))
			}
		}
		if got := ids(b.ask(p, `{ sessions { id } }`)); !slices.Equal(got, all[:50]) {
			t.Errorf("%d by default", len(got))
		}
		foreign := ids(b.ask(other, `{ sessions { id } }`))[0]
		for name, row := range map[string]struct {
			first int
			after any
			field string
		}{
			"none": {0, nil, "first"}, "less than none": {-1, nil, "first"}, "too many": {101, nil, "first"},
			"behind another person's": {10, foreign, "after"}, "behind no id": {10, "x", "after"}, "behind nothing": {10, newRowID(), "after"},
			"behind what is not ASCII": {10, "é", "after"},
		} {
			got := b.ask(p, sessions, "n", row.first, "a", row.after)
			if wantCodes(t, got, "sessions BAD_USER_INPUT"); !slices.Equal(got.inputFields(), []string{row.field}) {
				t.Errorf("%s: %s", name, got.body)
			}
		}
	})
}
