package models

import (
	"fmt"
	"testing"
)

func TestRecentAddressesCountsEventsByIP(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *Store) {
		none, err := s.RecentAddresses(t.Context(), "sign-in")
		if requireNoError(t, err); none != (AddressCounts{}) {
			t.Errorf("%+v in an empty log", none)
		}
		for i, entry := range []struct{ event, ip string }{
			{"sign-in", "10.0.0.1"},
			{"sign-in failed", "10.0.0.1"},
			{"sign-in", "192.0.2.1"},
			{"sign-in", ""},
			{"role changed", "192.0.2.2"},
			{"role changed", "192.0.2.2"},
			{"role changed", "192.0.2.2"},
		} {
			row := &AuditEntry{ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", i), Event: entry.event, CreatedAt: s.Now()}
			if entry.ip != "" {
				row.IP = &entry.ip
			}
			requireNoError(t, s.CreateAudit(t.Context(), row))
		}
		got, err := s.RecentAddresses(t.Context(), "sign-in", "sign-in failed")
		requireNoError(t, err)
		if want := (AddressCounts{Total: 3, Top: "10.0.0.1", TopCount: 2}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
