package main

import (
	"testing"

	"fieldgate/internal/dbtest"
)

// A sign-in whose password was right when it was checked, and that a reset overtakes, opens no session. The reset has
// forgotten the places that the account trusted: the sign-in adds none.
func TestSignInThatAResetOvertakesTrustsNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "BCRYPT_COST", "10") // so that a check takes its time
		rounds := 3
		if dbtest.Exhaustive() {
			rounds = 10
		}
		for range rounds {
			p := b.newPerson("USER")
			token := b.resetToken(p)
			w := b.newBrowser(home)
			signedIn := make(chan *answer)
			go func() { signedIn <- w.signsIn(p) }()
			b.ask(nil, resetPassword, "t", token, "p", anotherGood).must()
			<-signedIn
			if n := b.trustedPlaces(databaseURL, p); n != 0 {
				t.Fatalf("the account trusts %d places of a client that does not know its password", n)
			}
			if n := countRows(t, databaseURL, "sessions", "user_id = ?", p.id); n != 0 && b.accepts(p.email, p.password) {
				t.Error("the old password is good")
			}
		}
	})
}
