package e2e

import (
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
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
			p := b.NewUser("USER")
			token := b.resetToken(p)
			w := b.newBrowser(home)
			signedIn := make(chan *servertest.Response)
			go func() { signedIn <- w.signsIn(p) }()
			b.Query(nil, resetPassword, "t", token, "p", anotherGood).Must()
			<-signedIn
			if n := b.trustedPlaces(databaseURL, p); n != 0 {
				t.Fatalf("the account trusts %d places of a client that does not know its password", n)
			}
			if n := countRows(t, databaseURL, "sessions", "user_id = ?", p.ID); n != 0 && b.accepts(p.Email, p.Password) {
				t.Error("the old password is good")
			}
		}
	})
}
