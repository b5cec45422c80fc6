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
func TestEmailChangeWithoutUndoMailFreesTheAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		victim := newAddress()
		local, domain, _ := strings.Cut(victim, "@")
		moves := func(address string) {
			t.Helper()
			p := &servertest.User{Email: address, Password: servertest.Password}
			got := b.QueryWith(fromIP(otherIP), registerQuery, "e", address, "p", p.Password).Must()
			p.ID, p.Token = got.Text("register.user.id"), got.Text("register.accessToken")
			to := newAddress()
			b.queryFrom(p, otherIP, requestChange, "e", to, "p", p.Password).Must()
			b.deliver()
			b.queryFrom(p, otherIP, verifyEmail, "t", b.tokenOf(to, "/confirm-email")).Must()
			b.deliver()
		}
		moves(local + "+1@" + domain)
		moves(victim)
		if len(b.tokensOf(victim, "/undo-email-change")) != 0 {
			t.Fatal("the victim can undo the change: this test is about another case")
		}
		b.QueryWith(fromIP(homeIP), registerQuery, "e", victim, "p", servertest.Password).Must()
	})
}
