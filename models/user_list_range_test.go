package models

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every range between two cursors, read from either end, must be the same slice of the whole list,
// with correct page flags.
func TestUsersBetweenCursorsAreSliceOfList(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		r := rand.New(rand.NewPCG(5, 6))
		var users []*User
		for range 120 {
			users = append(users, randomUser(r))
		}
		r.Shuffle(len(users), func(i, j int) { users[i].ID, users[j].ID = users[j].ID, users[i].ID })
		requireNoError(t, s.conn(testContext(t)).CreateInBatches(users, 100).Error)
		for _, f := range []UserFilter{{}, {Role: "STAFF"}, {Prefix: "a"}, {Prefix: "a", Role: "USER"}, {Prefix: "a", NamesOnly: true}} {
			f.Limit = 1000
			all, err := s.Users(testContext(t), f)
			requireNoError(t, err)
			n := len(all.Users)
			for range 150 {
				// i and j are the indexes of the cursors; -1 and n mean no cursor.
				i, j := r.IntN(n+1)-1, r.IntN(n+1)
				part := f
				part.Limit, part.FromEnd = 1+r.IntN(n+2), r.IntN(2) == 0
				if i >= 0 {
					part.After = all.Cursors[i]
				}
				if j < n {
					part.Before = all.Cursors[j]
				}
				from, to := i+1, max(i+1, j)
				if to-from > part.Limit {
					if part.FromEnd {
						from = to - part.Limit
					} else {
						to = from + part.Limit
					}
				}
				got, err := s.Users(testContext(t), part)
				requireNoError(t, err)
				name := fmt.Sprintf("%+v between %d and %d of %d", part, i, j, n)
				if !slices.Equal(idsOf(got.Users), idsOf(all.Users[from:to])) {
					t.Errorf("%s: got %d accounts, want those from %d to %d", name, len(got.Users), from, to)
				}
				if i < j && (got.HasPrevious != (from > 0) || got.HasNext != (to < n)) {
					t.Errorf("%s: got previous %t, next %t for those from %d to %d", name, got.HasPrevious, got.HasNext, from, to)
				}
				if from < to && (got.Start != all.Cursors[from] || got.End != all.Cursors[to-1]) {
					t.Errorf("%s: got cursors from %+v to %+v", name, got.Start, got.End)
				}
			}
		}
	})
}

// The flags must not depend on the account of the cursor: it may be deleted, and all accounts on
// its side too.
func TestUsersPageFlagsAreRightAfterCursorUserIsDeleted(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "a"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s *Store) {
				for i := range 6 {
					u := newUser(fmt.Sprintf("a%d@example.com", i))
					// Three match by name, three by address.
					u.NameKey = []string{"ab", "ac", "ad", "x", "y", "z"}[i]
					createUser(t, s, u)
				}
				all, err := s.Users(testContext(t), UserFilter{Prefix: prefix, Limit: 10})
				requireNoError(t, err)
				flags := func(after, before int, want string) {
					t.Helper()
					a, err := s.Users(testContext(t), UserFilter{Prefix: prefix, Limit: 1, After: all.Cursors[after]})
					requireNoError(t, err)
					b, err := s.Users(testContext(t), UserFilter{Prefix: prefix, Limit: 1, Before: all.Cursors[before], FromEnd: true})
					requireNoError(t, err)
					if got := fmt.Sprint(a.HasPrevious, a.HasNext, b.HasPrevious, b.HasNext); got != want {
						t.Errorf("after %d and before %d: got %s, want %s", after, before, got, want)
					}
				}
				remove := func(i int) { requireNoError(t, s.conn(testContext(t)).Delete(all.Users[i]).Error) }
				flags(0, 5, "true true true true")
				remove(1)
				remove(4)
				flags(1, 4, "true true true true") // 0 and 5 exist
				remove(0)
				remove(5)
				flags(1, 4, "false true true false")
				flags(0, 5, "false true true false")
				remove(3)
				flags(3, 3, "true false false false") // only 2 exists
			})
		})
	}
}

func idsOf(users []*User) (ids []string) {
	for _, u := range users {
		ids = append(ids, u.ID)
	}
	return ids
}
