package e2e

import (
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// TestSignInRacingAResetTrustsNoPlace checks a sign-in whose password was right when it was checked
// and is replaced by a reset before the sign-in completes. It opens no session and trusts no place:
// the reset has deleted all trusted places.
func TestSignInRacingAResetTrustsNoPlace(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "BCRYPT_COST", "10") // makes the check slow
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
				t.Fatalf("%d trusted places after a sign-in with the old password, want 0", n)
			}
			if n := countRows(t, databaseURL, "sessions", "user_id = ?", p.ID); n != 0 && b.canSignIn(p.Email, p.Password) {
				t.Error("the old password opened a session and still works")
			}
		}
	})
}
