package models

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// datasetPages are the pages of a userDataset that could be slow.
var datasetPages = []struct {
	name   string
	filter UserFilter
	// after is the query for the cursor before the page. {} is replaced by a number up to the
	// number of users, {/20} by one up to a 20th of it. "" is the first page.
	after string
}{
	{"first", UserFilter{}, ""},
	{"middle", UserFilter{}, "SELECT id FROM users ORDER BY id LIMIT 1 OFFSET {}"},
	{"last", UserFilter{}, "SELECT id FROM users ORDER BY id DESC LIMIT 1 OFFSET 20"},
	{"role", UserFilter{Role: "ADMIN"}, ""},
	{"role-middle", UserFilter{Role: "USER"}, "SELECT id FROM users ORDER BY id LIMIT 1 OFFSET {}"},
	{"common", UserFilter{Prefix: "a"}, ""},
	{"common-middle", UserFilter{Prefix: "a"}, "SELECT id, name_key AS `key` FROM users WHERE name_key < 'b' ORDER BY name_key, id LIMIT 1 OFFSET {/20}"},
	{"common-addresses", UserFilter{Prefix: "a"}, "SELECT email_key AS `key`, 1 AS by_email FROM users WHERE email_key < 'b' ORDER BY email_key LIMIT 1 OFFSET {/20}"},
	{"common-last", UserFilter{Prefix: "a"}, "SELECT email_key AS `key`, 1 AS by_email FROM users WHERE email_key < 'b' ORDER BY email_key DESC LIMIT 1 OFFSET 40"},
	{"common-in-vain", UserFilter{Prefix: "n"}, "SELECT 'n' AS `key`, 1 AS by_email"},
	{"common-in-vain-middle", UserFilter{Prefix: "n"}, "SELECT email_key AS `key`, 1 AS by_email FROM users WHERE email_key >= 'n' ORDER BY email_key LIMIT 1 OFFSET {/20}"},
	{"rare", UserFilter{Prefix: "zz"}, ""},
	{"no-match", UserFilter{Prefix: "zzz"}, ""},
	{"role-common", UserFilter{Role: "ADMIN", Prefix: "a"}, ""},
	{"role-common-middle", UserFilter{Role: "USER", Prefix: "a"}, "SELECT id, name_key AS `key` FROM users WHERE name_key < 'b' ORDER BY name_key, id LIMIT 1 OFFSET {/20}"},
}

// userDataset is a store with many users.
type userDataset struct {
	*Store
	size int
}

// datasetIndexes are created after the rows, which is many times as fast as updating them row by
// row.
var datasetIndexes = []string{
	"users_by_name ON users (name_key, id)", "users_by_email ON users (email_key, name_key)", "users_by_role ON users (role, id)",
	"users_by_role_and_name ON users (role, name_key, id)", "users_by_role_and_email ON users (role, email_key, name_key)",
}

func newUserDataset(tb testing.TB, databaseURL string, size int) *userDataset {
	tb.Helper()
	s, err := Open(databaseURL, Options{})
	c := &userDataset{s, size}
	c.must(tb, err)
	tb.Cleanup(func() { c.must(tb, s.Close()) })
	_, err = s.Migrate(tb.Context())
	c.must(tb, err)
	for _, index := range datasetIndexes {
		name, table, _ := strings.Cut(index, " ON ")
		if s.dialect.name() == "mysql" {
			name += " ON " + strings.Fields(table)[0]
		}
		c.execute(tb, "DROP INDEX "+name)
	}
	const step = 2000
	for from := 0; from < size; from += step {
		c.insert(tb, from, min(size, from+step))
	}
	for _, index := range datasetIndexes {
		c.execute(tb, "CREATE INDEX "+index)
	}
	return c
}

// insert does not use GORM, which would prepare and keep each statement.
func (c *userDataset) insert(tb testing.TB, from, to int) {
	text := []byte("INSERT INTO users (id, email, email_key, name, name_key, password_hash, role, session_epoch, created_at, updated_at) VALUES ")
	for i := from; i < to; i++ {
		name, email, role := c.rowValues(i)
		text = fmt.Appendf(text, "('%08d-0000-7000-8000-000000000000','%s','%[2]s','%s','%[3]s','hash','%s',0,'2026-01-01 00:00:00.000','2026-01-01 00:00:00.000'),", i, email, name, role)
	}
	c.execute(tb, string(text[:len(text)-1]))
}

// rowValues returns the values of user i. Names and addresses begin with the letters from a to n,
// evenly spread. Nine out of ten users have the same first letter in both, and all of those with
// an n. 60 users are ADMIN, half of them with a name in a, and 20 names begin with zz.
func (c *userDataset) rowValues(i int) (name, email, role string) {
	shuffled := i * 7919 % 1_000_003 // both are prime
	first := 'a' + rune(shuffled%14)
	address, role := first, "USER"
	if shuffled%10 == 0 && first < 'n' {
		address = 'a' + (first-'a'+1)%13
	}
	name = string(first)
	switch {
	case i%(c.size/20) == 1:
		name = "zz"
	case i%(c.size/60) == 0 && i/(c.size/60) < 60:
		role = "ADMIN"
		if i/(c.size/60)%2 == 0 {
			name = "a"
		}
	}
	return fmt.Sprintf("%s %d", name, shuffled), fmt.Sprintf("%c%d@example.com", address, shuffled), role
}

// cursors returns cursors at which pages begin, from the results of query. Without a query it
// returns the start.
func (c *userDataset) cursors(tb testing.TB, query string) (list []Cursor) {
	tb.Helper()
	if query == "" {
		return []Cursor{{}}
	}
	for i := range 8 {
		var cursor Cursor
		query := strings.NewReplacer("{}", strconv.Itoa(c.size*i/8), "{/20}", strconv.Itoa(c.size*i/8/20)).Replace(query)
		c.must(tb, c.conn(tb.Context()).Raw(query).Scan(&cursor).Error)
		list = append(list, cursor)
	}
	return list
}

func (c *userDataset) execute(tb testing.TB, statement string) {
	tb.Helper()
	_, err := c.pool.ExecContext(tb.Context(), statement)
	c.must(tb, err)
}

func (c *userDataset) must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
