package e2e

import (
	"fmt"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// TestTaggedAddressesDoNotExhaustRecoveryMails checks that reset links for +tag addresses do not
// use up those of the mailbox's owner. An attacker can register such addresses, and their links do
// not open the owner's account.
func TestTaggedAddressesDoNotExhaustRecoveryMails(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		p := b.NewUser("USER")
		b.confirmEmail(p)
		local, domain, _ := strings.Cut(p.Email, "@")
		for i := range 40 {
			ip, tagged := fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("%s+%d@%s", local, i, domain)
			b.queryFrom(nil, ip, registerAs, "e", tagged).Must()
			for range 3 {
				b.queryFrom(nil, ip, requestReset, "e", tagged).Must()
			}
		}
		b.deliver()
		if got := len(b.receivedMails()); got > 50 {
			t.Errorf("%d mails reach the mailbox, want at most 50", got)
		}
		b.queryFrom(nil, "198.51.100.9", requestReset, "e", p.Email).Must()
		b.tokenOf(p.Email, "/reset-password")
	})
}

// TestMailLimitIgnoresDotsInGmailAddresses checks that Gmail addresses count as one mailbox
// whatever their dots and whichever of Gmail's two domains they have.
func TestMailLimitIgnoresDotsInGmailAddresses(t *testing.T) {
	t.Parallel()
	b := bootWithMailLimits(t, dbtest.SQLite(t))
	for i, address := range []string{
		"victim@gmail.com", "v.ictim@gmail.com", "vi.ctim@gmail.com", "vic.tim@gmail.com", "vict.im@gmail.com", "victi.m@GMAIL.com", "v.i.ctim@gmail.com",
		"victim@googlemail.com", "v.ictim@googlemail.com", "v.i.c.t.i.m+x@gmail.com", "V.I.CTIM@googlemail.com", "vi.cti.m+y@gmail.com",
	} {
		b.queryFrom(nil, fmt.Sprintf("192.0.2.%d", i), registerAs, "e", address).Must()
	}
	b.deliver()
	if got := len(b.receivedMails()); got != 10 {
		t.Errorf("%d mails reach one mailbox, want 10", got)
	}
	for i := range 12 { // other domains distinguish addresses by dots
		b.queryFrom(nil, fmt.Sprintf("192.0.2.%d", i), registerAs, "e", "a.b"[:1+i%2]+strings.Repeat("x", i)+".c@example.com").Must()
	}
	b.deliver()
	if got := len(b.receivedMails()); got != 22 {
		t.Errorf("%d mails in all, want 22", got)
	}
}
