package models

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"fieldgate/internal/dbtest"
)

func TestUsersFiltersByPrefixAndRole(t *testing.T) {
	t.Parallel()
	users := []struct{ email, name, role string }{
		{"ada@example.com", "ada", "ADMIN"},
		{"bob@example.com", "bob", "USER"},
		{"100%@example.com", "100% real", "USER"},
		{"1000@example.com", "1000 real", "USER"},
		{"a_b@example.com", "under_score", "STAFF"},
		{"axb@example.com", "underxscore", "STAFF"},
		{`back\slash@example.com`, `back\slash`, "USER"},
		{"back/slash@example.com", "back/slash", "USER"},
		{"o'hara@example.com", `o'hara "quote"`, "USER"},
		{"zoë@example.com", "zoë 👍 up", "USER"},
		{"zoe@example.com", "zoe 👎 down", "USER"},
	}
	for _, row := range []struct {
		name   string
		filter UserFilter
		want   string // the local parts of the addresses
	}{
		{"all", UserFilter{}, `ada bob 100% 1000 a_b axb back\slash back/slash o'hara zoë zoe`},
		{"at most three", UserFilter{Limit: 3}, "ada bob 100%"},
		{"by role", UserFilter{Role: "STAFF"}, "a_b axb"},
		{"by role, exactly", UserFilter{Role: "staff"}, ""},
		{"by an unknown role", UserFilter{Role: "' OR ''='"}, ""},
		{"by the prefix of a name or an address", UserFilter{Prefix: "b"}, `back/slash back\slash bob`},
		{"by the prefix of an address only", UserFilter{Prefix: "a"}, "ada a_b axb"},
		{"by the prefix of a name only", UserFilter{Prefix: "under"}, "a_b axb"},
		{"by a whole name", UserFilter{Prefix: "bob"}, "bob"},
		{"not by a substring", UserFilter{Prefix: "example"}, ""},
		{"not in upper case, since keys are in lower case", UserFilter{Prefix: "ADA"}, ""},
		{"a percent sign is literal", UserFilter{Prefix: "100%"}, "100%"},
		{"a percent sign alone", UserFilter{Prefix: "%"}, ""},
		{"an underscore is literal", UserFilter{Prefix: "a_"}, "a_b"},
		{"an underscore alone", UserFilter{Prefix: "_"}, ""},
		{"a backslash is literal", UserFilter{Prefix: `back\`}, `back\slash`},
		{"a backslash at the end", UserFilter{Prefix: `\`}, ""},
		{"a quote is literal", UserFilter{Prefix: "o'"}, "o'hara"},
		{"both quotes", UserFilter{Prefix: `o'hara "`}, "o'hara"},
		{"an accent is significant", UserFilter{Prefix: "zoë"}, "zoë"},
		{"an emoji", UserFilter{Prefix: "zoe 👎"}, "zoe"},
		{"by role and prefix", UserFilter{Prefix: "a", Role: "STAFF"}, "a_b axb"},
		{"by role and prefix without a common account", UserFilter{Prefix: "b", Role: "ADMIN"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s *Store) {
				for _, p := range users {
					u := newUser(p.email)
					u.NameKey, u.Role = p.name, p.role
					createUser(t, s, u)
				}
				filter := row.filter // a copy, because the other database's test uses the row too
				filter.Limit = cmp.Or(filter.Limit, len(users))
				page, err := s.Users(testContext(t), filter)
				requireNoError(t, err)
				var got []string
				for _, u := range page.Users {
					before, _, _ := strings.Cut(u.Email, "@")
					got = append(got, before)
				}
				if strings.Join(got, " ") != row.want {
					t.Errorf("got %q, want %q", got, row.want)
				}
			})
		})
	}
}

// readForwards reads all pages forwards. It calls between before each page but the first.
func readForwards(t *testing.T, s *Store, f UserFilter, between func()) (ids []string, pages int) {
	t.Helper()
	for {
		pages++
		page, err := s.Users(testContext(t), f)
		requireNoError(t, err)
		if len(page.Users) > f.Limit || len(page.Cursors) != len(page.Users) {
			t.Fatalf("got %d accounts and %d cursors, want at most %d", len(page.Users), len(page.Cursors), f.Limit)
		}
		for _, u := range page.Users {
			ids = append(ids, u.ID)
		}
		if !page.HasNext {
			return ids, pages
		}
		if page.End == f.After {
			t.Fatalf("page %d ends at its start", pages)
		}
		f.After = page.End
		between()
	}
}

// readBackwards reads all pages from the last to the first. It calls between before each page but
// the last.
func readBackwards(t *testing.T, s *Store, f UserFilter, between func()) (ids []string, pages int) {
	t.Helper()
	for f.FromEnd = true; ; {
		pages++
		page, err := s.Users(testContext(t), f)
		requireNoError(t, err)
		if len(page.Users) > f.Limit || len(page.Cursors) != len(page.Users) {
			t.Fatalf("got %d accounts and %d cursors, want at most %d", len(page.Users), len(page.Cursors), f.Limit)
		}
		var onPage []string
		for _, u := range page.Users {
			onPage = append(onPage, u.ID)
		}
		ids = append(onPage, ids...)
		if !page.HasPrevious {
			return ids, pages
		}
		if page.Start == f.Before {
			t.Fatalf("page %d starts at its end", pages)
		}
		f.Before = page.Start
		between()
	}
}

// walks are the two directions of reading a list.
var walks = map[string]func(*testing.T, *Store, UserFilter, func()) ([]string, int){"forwards": readForwards, "backwards": readBackwards}

// wantIDs computes the result of Users in memory.
func wantIDs(users []*User, f UserFilter) (ids []string) {
	var named, addressed []*User
	for _, u := range users {
		switch {
		case f.Role != "" && u.Role != f.Role:
		case strings.HasPrefix(u.NameKey, f.Prefix):
			named = append(named, u)
		case strings.HasPrefix(u.EmailKey, f.Prefix):
			addressed = append(addressed, u)
		}
	}
	slices.SortFunc(named, func(a, b *User) int {
		if f.Prefix == "" {
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Or(cmp.Compare(a.NameKey, b.NameKey), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(addressed, func(a, b *User) int { return cmp.Compare(a.EmailKey, b.EmailKey) })
	for _, u := range slices.Concat(named, addressed) {
		ids = append(ids, u.ID)
	}
	return ids
}

// randomUser returns a user whose name and address have few letters, so that many are equal or have
// the same prefix.
func randomUser(r *rand.Rand) *User {
	letters := []string{"a", "a", "b", "ä", "a\u0308", "ß", "ａ", "😀", "\uFFFD", "%", "_", `\`, "'", " a"}
	word := func() (w string) {
		for range 1 + r.IntN(3) {
			w += letters[r.IntN(len(letters))]
		}
		return strings.TrimSpace(w)
	}
	u := newUser(fmt.Sprintf("%s@%d", word(), r.Int()))
	u.NameKey = word()
	u.Role = []string{"USER", "USER", "USER", "USER", "STAFF", "ADMIN"}[r.IntN(6)]
	return u
}

// insertRandomUsers inserts users. Too many of them to be skipped on one page have a name and an
// address with the same prefix.
func insertRandomUsers(t *testing.T, s *Store, r *rand.Rand) (users []*User) {
	t.Helper()
	for range 300 {
		users = append(users, randomUser(r))
	}
	for i := range 2*lookAhead + 50 {
		u := newUser(fmt.Sprintf("ab%d@example.com", i))
		u.NameKey = "ab"
		users = append(users, u)
	}
	r.Shuffle(len(users), func(i, j int) { users[i].ID, users[j].ID = users[j].ID, users[i].ID })
	requireNoError(t, s.conn(testContext(t)).CreateInBatches(users, 100).Error)
	return users
}

// searches returns filters by prefixes of names, of addresses, of both and of neither, with each
// role and without.
func searches() (list []UserFilter) {
	for _, prefix := range []string{"", "a", "ab", "ab1", "aba", "ä", "a\u0308", "ａ", "😀", "\uFFFD", "%", "_", `\`, "'", "b", "z"} {
		for _, role := range []string{"", "USER", "STAFF", "ADMIN", "NOBODY"} {
			list = append(list, UserFilter{Prefix: prefix, Role: role})
		}
	}
	return list
}

func TestUsersPagesListEachUserOnceInOrder(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		users := insertRandomUsers(t, s, rand.New(rand.NewPCG(1, 2)))
		for _, f := range searches() {
			want := wantIDs(users, f)
			for _, f.Limit = range []int{1, 7, 100, 1000} {
				if f.Limit == 1 && len(want) > 100 {
					continue // would take too long
				}
				for name, walk := range walks {
					got, pages := walk(t, s, f, func() {})
					if !slices.Equal(got, want) {
						t.Errorf("%s, %+v: got %d users, want %d, or in another order", name, f, len(got), len(want))
					}
					// Full pages, the last page, and pages that only skip users.
					if most := len(want)/f.Limit + 1 + len(want)/lookAhead; pages > most {
						t.Errorf("%s, %+v: got %d pages, want at most %d", name, f, pages, most)
					}
				}
			}
		}
	})
}

func TestUsersPagesAreStableDuringChanges(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		r := rand.New(rand.NewPCG(3, 4))
		users := insertRandomUsers(t, s, r)
		for _, f := range searches() {
			for _, name := range []string{"forwards", "backwards"} {
				f.Limit = 20
				stayed, came := slices.Clone(users), []*User(nil)
				got, _ := walks[name](t, s, f, func() {
					u := randomUser(r)
					came = append(came, createUser(t, s, u))
					gone := r.IntN(len(stayed))
					requireNoError(t, s.conn(testContext(t)).Delete(stayed[gone]).Error)
					stayed = slices.Delete(stayed, gone, gone+1)
				})
				sorted := slices.Sorted(slices.Values(got))
				if len(slices.Compact(sorted)) != len(got) {
					t.Errorf("%s, %+v: an account was read twice", name, f)
				}
				want := wantIDs(stayed, f)
				kept := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return !slices.Contains(want, id) })
				if !slices.Equal(kept, want) {
					t.Errorf("%s, %+v: got %d of %d users that stayed, or in another order", name, f, len(kept), len(want))
				}
				users = append(stayed, came...)
			}
		}
	})
}

// A page costs the same at any position: it reads one range of the index that it names, from its
// start, in order. MariaDB has plans that look as good and read half of the table, so the rows read
// are counted there too.
func TestUsersReadsNoMoreThanPage(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		c := newUserDataset(t, databaseURL, 15_000)
		c.pool.SetMaxOpenConns(1) // whose counters are read
		var statements []string
		note := func(db *gorm.DB) {
			statements = append(statements, logger.ExplainSQL(db.Statement.SQL.String(), nil, "'", db.Statement.Vars...))
		}
		requireNoError(t, c.db.Callback().Query().After("gorm:query").Register("note", note))
		for _, page := range datasetPages {
			for _, page.filter.After = range c.cursors(t, page.after) {
				page.filter.Limit = 20
				for _, f := range bothWays(page.filter) {
					before := rowsRead(t, c.Store)
					statements = nil
					_, err := c.Users(testContext(t), f)
					requireNoError(t, err)
					for _, text := range statements {
						wantRange(t, c.Store, text)
					}
					if read := rowsRead(t, c.Store) - before; read > 5*lookAhead {
						t.Errorf("%s, %+v: got %d rows read by %q", page.name, f, read, statements)
					}
				}
			}
		}
	})
}

// bothWays returns the pages after a position and before it.
func bothWays(f UserFilter) []UserFilter {
	back := f
	back.After, back.Before, back.FromEnd = Cursor{}, f.After, true
	return []UserFilter{f, back}
}

// rowsRead counts the rows that the only connection has read from indexes.
func rowsRead(t *testing.T, s *Store) (rows int) {
	t.Helper()
	if s.dialect.name() != "mysql" {
		return 0
	}
	for _, counter := range queryAll[struct{ Value int }](t, s, `SHOW SESSION STATUS
		WHERE Variable_name IN ('Handler_read_first', 'Handler_read_key', 'Handler_read_next', 'Handler_read_prev', 'Handler_read_last', 'Handler_icp_attempts')`) {
		rows += counter.Value
	}
	return rows
}

var seekPattern = regexp.MustCompile(`[<>]\?|\bid=\?|email_key=\?`)

// wantRange requires a plan with one step, which reads a range of an index or one row.
func wantRange(t *testing.T, s *Store, text string) {
	t.Helper()
	if s.dialect.name() == "sqlite" {
		plan := queryAll[struct{ Detail string }](t, s, "EXPLAIN QUERY PLAN "+text)
		if len(plan) != 1 || !strings.HasPrefix(plan[0].Detail, "SEARCH users USING ") || !seekPattern.MatchString(plan[0].Detail) {
			t.Errorf("%s\ngot plan %q", text, plan)
		}
		return
	}
	plan := queryAll[struct{ Type, Key, Extra string }](t, s, "EXPLAIN "+text)
	// The range is empty, so nothing is read.
	if len(plan) == 1 && strings.HasPrefix(plan[0].Extra, "Impossible WHERE") {
		return
	}
	if len(plan) != 1 || !slices.Contains([]string{"range", "ref", "const"}, plan[0].Type) || strings.Contains(plan[0].Extra, "filesort") || strings.Contains(plan[0].Extra, "temporary") {
		t.Errorf("%s\ngot plan %q", text, plan)
	}
}
