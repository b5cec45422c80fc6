package models

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every range between two cursors, from either end, is the same slice of the whole list, and the
// flags say what is around it.
func TestUsersBetweenCursorsAreSliceOfList(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		r := rand.New(rand.NewPCG(5, 6))
		var people []*User
		for range 120 {
			people = append(people, randomUser(r))
		}
		r.Shuffle(len(people), func(i, j int) { people[i].ID, people[j].ID = people[j].ID, people[i].ID })
		requireNoError(t, s.conn(testContext(t)).CreateInBatches(people, 100).Error)
		for _, f := range []UserFilter{{}, {Role: "STAFF"}, {Prefix: "a"}, {Prefix: "a", Role: "USER"}, {Prefix: "a", NamesOnly: true}} {
			f.Limit = 1000
			all, err := s.Users(testContext(t), f)
			requireNoError(t, err)
			n := len(all.Users)
			for range 150 {
				// The list's elements behind i and in front of j; -1 and n are no cursors.
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
					t.Errorf("%s: %d accounts, want those from %d to %d", name, len(got.Users), from, to)
				}
				if i < j && (got.HasPrevious != (from > 0) || got.HasNext != (to < n)) {
					t.Errorf("%s: previous %t, next %t, of those from %d to %d", name, got.HasPrevious, got.HasNext, from, to)
				}
				if from < to && (got.Start != all.Cursors[from] || got.End != all.Cursors[to-1]) {
					t.Errorf("%s: from %+v to %+v", name, got.Start, got.End)
				}
			}
		}
	})
}

// The flags do not depend on the account of the cursor: it may be gone, and with it all that was on
// that side.
func TestUsersPageFlagsAreRightAfterCursorUserIsDeleted(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "a"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s *Store) {
				for i := range 6 {
					u := newUser(fmt.Sprintf("a%d@example.com", i))
					u.NameKey = []string{"ab", "ac", "ad", "x", "y", "z"}[i] // three by their names, three by their addresses
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
						t.Errorf("after %d and before %d: %s, want %s", after, before, got, want)
					}
				}
				remove := func(i int) { requireNoError(t, s.conn(testContext(t)).Delete(all.Users[i]).Error) }
				flags(0, 5, "true true true true")
				remove(1)
				remove(4)
				flags(1, 4, "true true true true") // 0 and 5 are there
				remove(0)
				remove(5)
				flags(1, 4, "false true true false")
				flags(0, 5, "false true true false")
				remove(3)
				flags(3, 3, "true false false false") // only 2 is left
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
