package e2e

import (
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// An attacker registers with the victim's address and changes the account to another address, after
// one such change has exhausted the limit of mails to the mailbox. The victim gets no link to undo
// the change, so the change must not reserve the victim's address.
func TestEmailChangeWithoutUndoMailFreesTheAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithMailLimits(t, databaseURL)
		victim := newAddress()
		local, domain, _ := strings.Cut(victim, "@")
		registerAndMove := func(address string) {
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
		registerAndMove(local + "+1@" + domain)
		registerAndMove(victim)
		if len(b.tokensOf(victim, "/undo-email-change")) != 0 {
			t.Fatal("the victim got an undo link; this test needs an exhausted mail limit")
		}
		b.QueryWith(fromIP(homeIP), registerQuery, "e", victim, "p", servertest.Password).Must()
	})
}
