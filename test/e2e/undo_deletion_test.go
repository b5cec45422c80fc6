package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// countDeletionMails counts the mails to an address about the deletion of its account.
func (b *testServer) countDeletionMails(to string) (n int) {
	b.t.Helper()
	for _, m := range b.mailsTo(to) {
		if strings.Contains(m.Subject, "was deleted") {
			n++
		}
	}
	return n
}

// newVerifiedUser returns a user with a verified address.
func (b *testServer) newVerifiedUser() *servertest.User {
	b.t.Helper()
	p := b.NewUser("USER")
	b.Query(p, verifyEmail, "t", b.tokenOf(p.Email, "/verify-email")).Must()
	return p
}

// TestDeletionIsRejectedWhileAnEmailChangeCanBeUndone checks that an attacker with a session and
// the password cannot change the address, confirm it and delete the account before the owner undoes
// the change.
func TestDeletionIsRejectedWhileAnEmailChangeCanBeUndone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name   string
			change func(b *testServer, p *servertest.User)
		}{
			{"a change", func(b *testServer, p *servertest.User) {
				b.Query(p, verifyEmail, "t", b.emailChangeToken(p, newAddress())).Must()
			}},
			{"a change whose warning was not sent", func(b *testServer, p *servertest.User) {
				token := b.emailChangeToken(p, newAddress())
				execSQL(t, databaseURL, "DELETE FROM tickets WHERE slot IS NULL")
				b.Query(p, verifyEmail, "t", token).Must()
			}},
			{"two changes", func(b *testServer, p *servertest.User) {
				b.Query(p, verifyEmail, "t", b.emailChangeToken(p, newAddress())).Must()
				b.Query(p, verifyEmail, "t", b.emailChangeToken(p, newAddress())).Must()
			}},
			{"a change that was not confirmed", func(b *testServer, p *servertest.User) { b.emailChangeToken(p, newAddress()) }},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL)
				p := b.newVerifiedUser()
				row.change(b, p)
				wantCodes(t, b.Query(p, deleteAccount, "p", wrongPassword), "deleteAccount INVALID_CREDENTIALS")
				got := b.Query(p, deleteAccount, "p", p.Password)
				wantCodes(t, got, "deleteAccount CONFLICT")
				until, err := time.Parse(time.RFC3339, got.Errors[0].Extensions["until"].(string))
				if left := until.Sub(b.Clock.Now()); err != nil || left < 71*time.Hour || left > 73*time.Hour || !strings.Contains(got.Errors[0].Message, until.Format("2006-01-02")) {
					t.Errorf("the error does not name the time until which deletion is rejected: %s", got.Body)
				}
				wantCodes(t, b.Query(nil, registerAs, "e", p.Email), "register EMAIL_TAKEN")
				b.Query(nil, verifyEmail, "t", b.tokenOf(p.Email, "/undo-email-change")).Must()
				b.Query(nil, resetPassword, "t", b.tokenOf(p.Email, "/reset-password"), "p", ownerPassword).Must()
				if got := b.Query(nil, login, "e", p.Email, "p", ownerPassword).Must(); got.At("login.user.id") != p.ID {
					t.Error(got.Body)
				}
			})
		}
	})
}

func TestDeletionSucceedsAfterTheUndoExpires(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p, to := b.newVerifiedUser(), newAddress()
		b.Query(p, verifyEmail, "t", b.emailChangeToken(p, to)).Must()
		b.deliver() // the undo link's lifetime begins when it is sent
		p.Email = to
		b.Clock.Advance(72*time.Hour - time.Minute)
		phone := b.newDevice(p, false)
		wantCodes(t, b.Query(phone.User, deleteAccount, "p", p.Password), "deleteAccount CONFLICT")
		b.Clock.Advance(2 * time.Minute)
		b.Query(phone.User, deleteAccount, "p", p.Password).Must()
		if n := b.countDeletionMails(to); n != 1 {
			t.Errorf("%d mails to the account's address, want 1", n)
		}
		if b.canSignIn(to, p.Password) {
			t.Error("the deleted account can sign in")
		}
	})
}

// TestDeletionByAdminEndsTheUndoAndNotifiesEveryAddress checks that a deletion by an ADMIN revokes
// the undo links and notifies every address that had one, even with SECURITY_NOTICES=off.
func TestDeletionByAdminEndsTheUndoAndNotifiesEveryAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name   string
			env    []string
			delete func(b *testServer, p *servertest.User)
			mails  int // to the current address
		}{
			{"by deleteUser", nil, func(b *testServer, p *servertest.User) {
				admin := b.NewUser("ADMIN")
				b.Query(admin, deleteUser, "u", p.ID, "p", admin.Password).Must()
			}, 1},
			{"on the command line", nil, func(b *testServer, p *servertest.User) {
				if _, err := b.internal.Accounts.AsOperator().Delete(t.Context(), p.ID, nil); err != nil {
					t.Fatal(err)
				}
			}, 1},
			{"without notices", []string{"SECURITY_NOTICES", "off"}, func(b *testServer, p *servertest.User) {
				admin := b.NewUser("ADMIN")
				b.Query(admin, deleteUser, "u", p.ID, "p", admin.Password).Must()
			}, 0},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL, row.env...)
				p := b.newVerifiedUser()
				first, second := newAddress(), newAddress()
				b.Query(p, verifyEmail, "t", b.emailChangeToken(p, first)).Must()
				b.Query(p, verifyEmail, "t", b.emailChangeToken(p, second)).Must()
				undos := []string{b.tokenOf(p.Email, "/undo-email-change"), b.tokenOf(first, "/undo-email-change")}
				row.delete(b, p)
				got := []int{b.countDeletionMails(p.Email), b.countDeletionMails(first), b.countDeletionMails(second)}
				if !slices.Equal(got, []int{1, 1, row.mails}) {
					t.Errorf("mails by address, oldest first: got %v, want [1 1 %d]", got, row.mails)
				}
				for _, undo := range undos {
					wantCodes(t, b.Query(nil, verifyEmail, "t", undo), "verifyEmail INVALID_TOKEN")
				}
				for _, email := range []string{p.Email, first, second} {
					b.Query(nil, registerAs, "e", email).Must() // can be registered again
				}
			})
		}
	})
}
