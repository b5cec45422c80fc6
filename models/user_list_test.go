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
	people := []struct{ email, name, role string }{
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
		want   string // the addresses' beginnings
	}{
		{"everybody", UserFilter{}, `ada bob 100% 1000 a_b axb back\slash back/slash o'hara zoë zoe`},
		{"at most three", UserFilter{Limit: 3}, "ada bob 100%"},
		{"by role", UserFilter{Role: "STAFF"}, "a_b axb"},
		{"by role, exactly", UserFilter{Role: "staff"}, ""},
		{"by an unknown role", UserFilter{Role: "' OR ''='"}, ""},
		{"by the beginning of a name or an address", UserFilter{Prefix: "b"}, `back/slash back\slash bob`},
		{"by the beginning of an address only", UserFilter{Prefix: "a"}, "ada a_b axb"},
		{"by the beginning of a name only", UserFilter{Prefix: "under"}, "a_b axb"},
		{"by a whole name", UserFilter{Prefix: "bob"}, "bob"},
		{"not by the middle", UserFilter{Prefix: "example"}, ""},
		{"not in capitals: keys are small", UserFilter{Prefix: "ADA"}, ""},
		{"a percent sign is one", UserFilter{Prefix: "100%"}, "100%"},
		{"a percent sign alone", UserFilter{Prefix: "%"}, ""},
		{"an underscore is one", UserFilter{Prefix: "a_"}, "a_b"},
		{"an underscore alone", UserFilter{Prefix: "_"}, ""},
		{"a backslash is one", UserFilter{Prefix: `back\`}, `back\slash`},
		{"a backslash at the end", UserFilter{Prefix: `\`}, ""},
		{"a quote is one", UserFilter{Prefix: "o'"}, "o'hara"},
		{"both quotes", UserFilter{Prefix: `o'hara "`}, "o'hara"},
		{"an accent counts", UserFilter{Prefix: "zoë"}, "zoë"},
		{"an emoji", UserFilter{Prefix: "zoe 👎"}, "zoe"},
		{"role and prefix together", UserFilter{Prefix: "a", Role: "STAFF"}, "a_b axb"},
		{"role and prefix that nobody has both", UserFilter{Prefix: "b", Role: "ADMIN"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s *Store) {
				for _, p := range people {
					u := newUser(p.email)
					u.NameKey, u.Role = p.name, p.role
					createUser(t, s, u)
				}
				filter := row.filter // a copy: the other database's test has the row, too
				filter.Limit = cmp.Or(filter.Limit, len(people))
				page, err := s.Users(testContext(t), filter)
				requireNoError(t, err)
				var got []string
				for _, u := range page.Users {
					before, _, _ := strings.Cut(u.Email, "@")
					got = append(got, before)
				}
				if strings.Join(got, " ") != row.want {
					t.Errorf("found %q, want %q", got, row.want)
				}
			})
		})
	}
}

// readForwards reads all pages forwards, and calls between before each but the first.
func readForwards(t *testing.T, s *Store, f UserFilter, between func()) (ids []string, pages int) {
	t.Helper()
	for {
		pages++
		page, err := s.Users(testContext(t), f)
		requireNoError(t, err)
		if len(page.Users) > f.Limit || len(page.Cursors) != len(page.Users) {
			t.Fatalf("%d accounts and %d places, want %d at most", len(page.Users), len(page.Cursors), f.Limit)
		}
		for _, u := range page.Users {
			ids = append(ids, u.ID)
		}
		if !page.HasNext {
			return ids, pages
		}
		if page.End == f.After {
			t.Fatalf("page %d ends where it has begun", pages)
		}
		f.After = page.End
		between()
	}
}

// readBackwards reads all pages from the last to the first, and calls between before each but the
// first one read.
func readBackwards(t *testing.T, s *Store, f UserFilter, between func()) (ids []string, pages int) {
	t.Helper()
	for f.FromEnd = true; ; {
		pages++
		page, err := s.Users(testContext(t), f)
		requireNoError(t, err)
		if len(page.Users) > f.Limit || len(page.Cursors) != len(page.Users) {
			t.Fatalf("%d accounts and %d cursors, want %d at most", len(page.Users), len(page.Cursors), f.Limit)
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
			t.Fatalf("page %d begins where it ends", pages)
		}
		f.Before = page.Start
		between()
	}
}

// walks are the two ways through a list.
var walks = map[string]func(*testing.T, *Store, UserFilter, func()) ([]string, int){"forwards": readForwards, "backwards": readBackwards}

// expected is what Users promises, in other words.
func wantIDs(people []*User, f UserFilter) (ids []string) {
	var named, addressed []*User
	for _, u := range people {
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

// randomUser has a name and an address of few letters, so that many have the same, or the same
// beginning.
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

// insertRandomUsers inserts people, some of whom have nothing in common with their address but the
// beginning, and are too many to be passed over on one page.
func insertRandomUsers(t *testing.T, s *Store, r *rand.Rand) (people []*User) {
	t.Helper()
	for range 300 {
		people = append(people, randomUser(r))
	}
	for i := range 2*lookAhead + 50 {
		u := newUser(fmt.Sprintf("ab%d@example.com", i))
		u.NameKey = "ab"
		people = append(people, u)
	}
	r.Shuffle(len(people), func(i, j int) { people[i].ID, people[j].ID = people[j].ID, people[i].ID })
	requireNoError(t, s.conn(testContext(t)).CreateInBatches(people, 100).Error)
	return people
}

// searches are prefixes of names, of addresses, of both and of neither, with each role and with
// none.
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
		people := insertRandomUsers(t, s, rand.New(rand.NewPCG(1, 2)))
		for _, f := range searches() {
			want := wantIDs(people, f)
			for _, f.Limit = range []int{1, 7, 100, 1000} {
				if f.Limit == 1 && len(want) > 100 {
					continue // only takes long
				}
				for name, walk := range walks {
					got, pages := walk(t, s, f, func() {})
					if !slices.Equal(got, want) {
						t.Errorf("%s, %+v: read %d, want %d, or in another order", name, f, len(got), len(want))
					}
					// Full ones, the last one, and those on which nobody new was found.
					if most := len(want)/f.Limit + 1 + len(want)/lookAhead; pages > most {
						t.Errorf("%s, %+v: %d pages, want %d at most", name, f, pages, most)
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
		people := insertRandomUsers(t, s, r)
		for _, f := range searches() {
			for _, name := range []string{"forwards", "backwards"} {
				f.Limit = 20
				stayed, came := slices.Clone(people), []*User(nil)
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
					t.Errorf("%s, %+v: of %d that stayed, %d were read, or in another order", name, f, len(want), len(kept))
				}
				people = append(stayed, came...)
			}
		}
	})
}

// A page costs the same wherever it is: it reads a range of the index that it names, from its
// beginning, in its order. MariaDB has plans that look as good and read half of the table, so there
// what is read is counted too.
func TestUsersReadsNoMoreThanPage(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		c := newUserDataset(t, databaseURL, 15_000)
		c.pool.SetMaxOpenConns(1) // whose reading is counted
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
						t.Errorf("%s, %+v: %d rows were read by %q", page.name, f, read, statements)
					}
				}
			}
		}
	})
}

// bothWays are the pages after a position and before it.
func bothWays(f UserFilter) []UserFilter {
	back := f
	back.After, back.Before, back.FromEnd = Cursor{}, f.After, true
	return []UserFilter{f, back}
}

// rowsRead counts what the one connection has read off indexes.
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

// wantRange wants a plan of one step, from a place in an index on, or to one row.
func wantRange(t *testing.T, s *Store, text string) {
	t.Helper()
	if s.dialect.name() == "sqlite" {
		plan := queryAll[struct{ Detail string }](t, s, "EXPLAIN QUERY PLAN "+text)
		if len(plan) != 1 || !strings.HasPrefix(plan[0].Detail, "SEARCH users USING ") || !seekPattern.MatchString(plan[0].Detail) {
			t.Errorf("%s\nis %q", text, plan)
		}
		return
	}
	plan := queryAll[struct{ Type, Key, Extra string }](t, s, "EXPLAIN "+text)
	if len(plan) == 1 && strings.HasPrefix(plan[0].Extra, "Impossible WHERE") { // the range is empty, and nothing is read
		return
	}
	if len(plan) != 1 || !slices.Contains([]string{"range", "ref", "const"}, plan[0].Type) || strings.Contains(plan[0].Extra, "filesort") || strings.Contains(plan[0].Extra, "temporary") {
		t.Errorf("%s\nis %q", text, plan)
	}
}
