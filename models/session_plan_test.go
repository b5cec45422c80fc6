package models

import (
	"fmt"
	"strings"
	"testing"
)

// The query of nearly every request reads one row by the primary key of each table.
func TestSessionWithUserReadsByPrimaryKey(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		var session *Session
		for i := range 50 {
			u := createUser(t, s, newUser(fmt.Sprintf("person%d@example.com", i)))
			for range 3 {
				session = newSession(u)
				requireNoError(t, s.CreateSession(ctx, session))
			}
		}
		explain, want := "EXPLAIN ", []string{"sessions const PRIMARY", "users const PRIMARY"}
		if s.dialect.name() == "sqlite" {
			explain = "EXPLAIN QUERY PLAN "
			want = []string{"SEARCH sessions USING INDEX sqlite_autoindex_sessions_1 (id=?)", "SEARCH users USING INDEX sqlite_autoindex_users_1 (id=?)"}
		}
		var rows []struct{ Table, Type, Key, Detail string }
		requireNoError(t, s.conn(ctx).Raw(explain+s.sessions.text+"sessions.user_id = ? AND sessions.id = ?", session.UserID, session.ID).Scan(&rows).Error)
		var plan []string
		for _, r := range rows {
			plan = append(plan, strings.TrimSpace(strings.Join([]string{r.Table, r.Type, r.Key, r.Detail}, " ")))
		}
		for i := range want {
			if len(plan) != len(want) || plan[i] != want[i] {
				t.Fatalf("got %q, want %q", plan, want)
			}
		}
	})
}
