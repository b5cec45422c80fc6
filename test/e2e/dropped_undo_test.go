package e2e

import (
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// A stranger registers with the victim's address and moves the account on to an address of their own, after another such
// change has used up the mails to the mailbox. The victim gets no link that undoes the change, so the change must not keep
// the victim from registering.
func TestChangeThatNobodyIsToldOfDoesNotBlockTheAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootCounting(t, databaseURL)
		victim := newAddress()
		local, domain, _ := strings.Cut(victim, "@")
		moves := func(address string) {
			t.Helper()
			p := &servertest.User{Email: address, Password: servertest.Password}
			got := b.QueryWith(from(elsewhere), registerQuery, "e", address, "p", p.Password).Must()
			p.ID, p.Token = got.Text("register.user.id"), got.Text("register.accessToken")
			to := newAddress()
			b.asks(p, elsewhere, requestChange, "e", to, "p", p.Password).Must()
			b.deliver()
			b.asks(p, elsewhere, verifyEmail, "t", b.tokenOf(to, "/confirm-email")).Must()
			b.deliver()
		}
		moves(local + "+1@" + domain)
		moves(victim)
		if len(b.linksTo(victim, "/undo-email-change")) != 0 {
			t.Fatal("the victim can undo the change: this test is about another case")
		}
		b.QueryWith(from(home), registerQuery, "e", victim, "p", servertest.Password).Must()
	})
}
