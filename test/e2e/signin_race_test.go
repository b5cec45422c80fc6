package e2e

import (
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// A sign-in whose password was right when it was checked, and that a reset overtakes, opens no session. The reset has
// forgotten the places that the account trusted: the sign-in adds none.
func TestSignInRacingAResetTrustsNoPlace(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "BCRYPT_COST", "10") // so that a check takes its time
		rounds := 3
		if dbtest.Exhaustive() {
			rounds = 10
		}
		for range rounds {
			p := b.NewUser("USER")
			token := b.resetToken(p)
			w := b.newBrowser(homeIP)
			signedIn := make(chan *servertest.Response)
			go func() { signedIn <- w.signIn(p) }()
			b.Query(nil, resetPassword, "t", token, "p", newPassword).Must()
			<-signedIn
			if n := b.countTrustedIPs(databaseURL, p); n != 0 {
				t.Fatalf("the account trusts %d places of a client that does not know its password", n)
			}
			if n := countRows(t, databaseURL, "sessions", "user_id = ?", p.ID); n != 0 && b.canSignIn(p.Email, p.Password) {
				t.Error("the old password is good")
			}
		}
	})
}
