package main

import (
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
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
			p := &person{email: address, password: goodPassword}
			got := b.askWith(from(elsewhere), registerQuery, "e", address, "p", p.password).must()
			p.id, p.token = got.text("register.user.id"), got.text("register.accessToken")
			to := newAddress()
			b.asks(p, elsewhere, requestChange, "e", to, "p", p.password).must()
			b.deliver()
			b.asks(p, elsewhere, verifyEmail, "t", b.tokenOf(to, "/confirm-email")).must()
			b.deliver()
		}
		moves(local + "+1@" + domain)
		moves(victim)
		if len(b.linksTo(victim, "/undo-email-change")) != 0 {
			t.Fatal("the victim can undo the change: this test is about another case")
		}
		b.askWith(from(home), registerQuery, "e", victim, "p", goodPassword).must()
	})
}
