package models

import (
	"sync"
	"testing"
	"time"
)

func tickets(t *testing.T, s *Store) []Ticket {
	t.Helper()
	var list []Ticket
	noError(t, s.conn(testContext(t)).Order("id").Find(&list).Error)
	return list
}

// Each attempt at a mail stores a ticket, and the ones before are good for nothing.
func TestPutTicketReplacesThoseOfItsMailAndOfItsSlot(t *testing.T) {
	t.Parallel()
	reset, verify := "reset", "verify"
	for _, row := range []struct {
		name      string
		before    []*string // the slots of the tickets of Ada that are there, the first with the id of the new one
		slot      *string
		remaining int
	}{
		{"none", nil, &reset, 1},
		{"the same mail's", []*string{&reset}, &reset, 1},
		{"the same mail's in another slot", []*string{&verify}, &reset, 1},
		{"the same mail's in another slot, and another mail's in the new one", []*string{&verify, &reset}, &reset, 1},
		{"another slot's", []*string{&verify, nil}, &verify, 2},
		{"the same mail's without a slot, now with one", []*string{nil}, &reset, 1},
		{"the same mail's with a slot, now without", []*string{&reset}, nil, 1},
		{"others without a slot", []*string{nil, nil}, nil, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, s *Store) {
				ctx := testContext(t)
				ada, bob := newID(), newID()
				noError(t, s.insert(ctx, newTicketOf(bob, "bob", &reset, moment.Add(time.Hour))))
				want := newTicketOf(ada, "ada", row.slot, moment.Add(time.Hour))
				want.Purpose = "new"
				for i, slot := range row.before {
					old := newTicketOf(ada, "old", slot, moment)
					if i == 0 {
						old.ID = want.ID
					}
					noError(t, s.insert(ctx, old))
				}
				noError(t, s.Transaction(ctx, func(tx *Store) error { return tx.putTicket(ctx, want) }))
				got, err := s.TicketByHash(ctx, want.Hash)
				noError(t, err)
				if got.ID != want.ID || got.UserID != ada || got.Purpose != "new" || got.Email != "ada" || got.EmailKey != "ada" ||
					!got.ExpiresAt.Equal(want.ExpiresAt) || (got.Slot == nil) != (want.Slot == nil) || (got.Slot != nil && *got.Slot != *want.Slot) {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
				if list := tickets(t, s); len(list) != row.remaining+1 { // and Bob's
					t.Errorf("%d tickets, want %d: %+v", len(list), row.remaining+1, list)
				}
			})
		})
	}
}

// The account that had the address stored a ticket at the first attempt, and has another address now.
func TestPutTicketReplacesThatOfTheAccountThatHadTheAddress(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		slot := "reset"
		first, second := newTicketOf(newID(), "ada", &slot, moment), newTicketOf(newID(), "ada", &slot, moment)
		second.ID = first.ID
		for _, ticket := range []*Ticket{first, second} {
			noError(t, s.Transaction(ctx, func(tx *Store) error { return tx.putTicket(ctx, ticket) }))
		}
		if list := tickets(t, s); len(list) != 1 || list[0].UserID != second.UserID {
			t.Errorf("got %+v", list)
		}
	})
}

func TestTicketsOfOneSlotStoredAtOnceLeaveOne(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		ctx := testContext(t)
		ada, slot := newID(), "reset"
		for range 3 { // the first time without a row, then with one
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					ticket := newTicketOf(ada, "ada", &slot, moment)
					if err := s.Transaction(ctx, func(tx *Store) error { return tx.putTicket(ctx, ticket) }); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if list := tickets(t, s); len(list) != 1 {
				t.Errorf("%d tickets", len(list))
			}
		}
	})
}
