package main

import (
	"fmt"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// A mailbox gets all mails to its +tags. A stranger registers accounts with those, and asks for links that reset them: these
// links do not open the account of the mailbox's owner, so they must not use up the mails that do.
func TestLinksForTaggedAddressesLeaveRoomForTheOwnersRecovery(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		p := b.newPerson("USER")
		b.verifies(p)
		local, domain, _ := strings.Cut(p.email, "@")
		for i := range 40 {
			ip, tagged := fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("%s+%d@%s", local, i, domain)
			b.asks(nil, ip, registerAs, "e", tagged).must()
			for range 3 {
				b.asks(nil, ip, requestReset, "e", tagged).must()
			}
		}
		b.deliver()
		if got := len(b.arrived()); got > 50 {
			t.Errorf("%d mails reach the mailbox", got)
		}
		b.asks(nil, "198.51.100.9", requestReset, "e", p.email).must()
		b.tokenOf(p.email, "/reset-password")
	})
}
