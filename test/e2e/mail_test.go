package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/mail"
	"fieldgate/internal/mailtest"
	"fieldgate/servertest"
)

// bootWithSMTP starts a server that sends mail to a new SMTP test server. Most mail tests use it.
func bootWithSMTP(t *testing.T, databaseURL string, env ...string) *testServer {
	t.Helper()
	return bootWithSMTPServer(t, databaseURL, mailtest.Start(t, mailtest.Options{}), env...)
}

// deliver sends the mails that are due in the outbox.
func (b *testServer) deliver() {
	b.t.Helper()
	if _, err := b.internal.Mailer.Deliver(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// mailsTo delivers due mails and returns all mails to an address, newest first.
func (b *testServer) mailsTo(to string) (list []mail.Received) {
	b.t.Helper()
	b.deliver()
	for _, m := range b.receivedMails() {
		if m.To == to {
			list = append(list, m)
		}
	}
	return list
}

// receivedMails returns all delivered mails, newest first.
func (b *testServer) receivedMails() (list []mail.Received) {
	if b.smtp == nil {
		return b.internal.Inbox.Messages()
	}
	for _, m := range b.smtp.Messages() {
		list = append(list, mail.Received{Message: mail.Message{To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, Link: tokenLink(m.Text)}})
	}
	slices.Reverse(list)
	return list
}

// tokenLink returns the line of a text that contains a token, or "".
func tokenLink(text string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "?token=") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// tokenOf returns the token of the newest mail to an address whose link has this path.
func (b *testServer) tokenOf(to, path string) string {
	b.t.Helper()
	for _, m := range b.mailsTo(to) {
		if u, err := url.Parse(m.Link); err == nil && u.Path == path {
			return u.Query().Get("token")
		}
	}
	b.t.Fatalf("no mail to %s leads to %s", to, path)
	return ""
}

const (
	verifyEmail    = `mutation($t: String!, $p: String) { verifyEmail(token: $t, password: $p) }`
	resetPassword  = `mutation($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) }`
	requestReset   = `mutation($e: String!) { requestPasswordReset(email: $e) }`
	requestChange  = `mutation($e: String!, $p: String!) { requestEmailChange(input: {newEmail: $e, password: $p}) }`
	deleteAccount  = `mutation($p: String!) { deleteAccount(password: $p) }`
	changePassword = `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`
	registerAs     = `mutation($e: String!) { register(input: {name: "X", email: $e, password: "` + servertest.Password + `"}) { tokenType } }`
	login          = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id email emailVerified } } }`
	newPassword    = "another good password"
)

// resetToken requests a password reset for a user and returns the mailed token.
func (b *testServer) resetToken(p *servertest.User) string {
	b.t.Helper()
	b.Query(nil, requestReset, "e", p.Email).Must()
	return b.tokenOf(p.Email, "/reset-password")
}

// newAddress returns an unused e-mail address.
func newAddress() string { return fmt.Sprintf("new%d@example.com", addressCounter.Add(1)) }

// emailChangeToken requests a change of a user's address and returns the token mailed to the new
// one.
func (b *testServer) emailChangeToken(p *servertest.User, to string) string {
	b.t.Helper()
	b.Query(p, requestChange, "e", to, "p", p.Password).Must()
	return b.tokenOf(to, "/confirm-email")
}

func TestVerifyEmailWorksOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		token := b.tokenOf(p.Email, "/verify-email")
		if got := b.Query(p, `{ me { emailVerified } }`).Must(); got.At("me.emailVerified") != false {
			t.Error(got.Body)
		}
		b.Query(nil, verifyEmail, "t", token, "p", p.Password).Must()
		if got := b.Query(p, `{ me { emailVerified } }`).Must(); got.At("me.emailVerified") != true {
			t.Error(got.Body)
		}
		wantCodes(t, b.Query(nil, verifyEmail, "t", token), "verifyEmail INVALID_TOKEN")

		before := len(b.mailsTo(p.Email))
		b.Query(p, `mutation { requestEmailVerification }`).Must()
		if got := len(b.mailsTo(p.Email)); got != before {
			t.Error("requestEmailVerification mails a link to a verified address")
		}
		wantCodes(t, b.Query(nil, `mutation { requestEmailVerification }`), "requestEmailVerification UNAUTHENTICATED")
	})
}

func TestResetPasswordRevokesAllSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		phone := b.newDevice(p, true)
		token := b.resetToken(p)
		wantCodes(t, b.Query(nil, resetPassword, "t", token, "p", "short"), "resetPassword BAD_USER_INPUT")
		wantCodes(t, b.Query(nil, resetPassword, "t", token, "p", p.Email), "resetPassword BAD_USER_INPUT")
		b.Query(nil, resetPassword, "t", token, "p", newPassword).Must()
		if b.isSignedIn(p) || b.isSignedIn(phone.User) {
			t.Error("a session is still valid after a password reset")
		}
		wantCodes(t, b.Query(nil, refreshInBody, "t", phone.refresh), "refresh INVALID_TOKEN")
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		got := b.Query(nil, login, "e", p.Email, "p", newPassword).Must()
		if got.At("login.user.emailVerified") != true {
			t.Error("a password reset by mail does not verify the address")
		}
		wantCodes(t, b.Query(nil, resetPassword, "t", token, "p", "a third good password"), "resetPassword INVALID_TOKEN")
		if notice := b.mailsTo(p.Email)[0]; notice.Link != "" || !strings.Contains(notice.Subject, "assword") {
			t.Errorf("the newest mail is %q, want a notice of the new password", notice.Subject)
		}
	})
}

// TestPasswordResetDoesNotRevealAccounts checks that the response is the same for known, unknown
// and disabled addresses. Only known ones get a mail.
func TestPasswordResetDoesNotRevealAccounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p, disabled := b.NewUser("USER"), b.NewUser("USER")
		if _, err := b.internal.Accounts.AsOperator().Disable(t.Context(), disabled.ID); err != nil {
			t.Fatal(err)
		}
		b.deliver()
		before := len(b.receivedMails())
		for _, email := range []string{"nobody@example.com", disabled.Email, "no address", ""} {
			got := b.Query(nil, requestReset, "e", email).Must()
			if known := b.Query(nil, requestReset, "e", p.Email).Must(); !sameResponse(got, known) {
				t.Errorf("%q: got %s %v, want as for a known address %s %v", email, got.Body, got.Header, known.Body, known.Header)
			}
		}
		b.deliver()
		if got := len(b.receivedMails()) - before; got != 4 || len(b.mailsTo("nobody@example.com"))+len(b.mailsTo(disabled.Email)) > 1 {
			t.Errorf("%d mails, want 4 to the known address", got)
		}
	})
}

// sameResponse reports whether two responses are identical, except for the Date header and the
// value (not the length) of the request ID.
func sameResponse(a, b *servertest.Response) bool {
	headers := []http.Header{a.Header.Clone(), b.Header.Clone()}
	for _, h := range headers {
		h["X-Request-Id"] = []string{fmt.Sprint(len(h.Get("X-Request-Id")))}
		h.Del("Date")
	}
	return a.Body == b.Body && a.Status == b.Status && reflect.DeepEqual(headers[0], headers[1])
}

func TestMailGoesToTheStoredAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		b.Query(nil, `mutation { register(input: {name: "Ada", email: "Ada@Example.com", password: "`+servertest.Password+`"}) { tokenType } }`).Must()
		b.Query(nil, requestReset, "e", "ADA@EXAMPLE.COM").Must()
		// The domain in lower case, as in DNS.
		if got := b.mailsTo("Ada@example.com"); len(got) != 2 {
			t.Errorf("%d mails to the address as typed at registration, want 2", len(got))
		}
	})
}

func TestEmailChangeRequiresConfirmationAndCanBeUndone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		wantCodes(t, b.Query(p, requestChange, "e", "new@example.com", "p", "wrong password"), "requestEmailChange INVALID_CREDENTIALS")
		wantCodes(t, b.Query(p, requestChange, "e", "no address", "p", p.Password), "requestEmailChange BAD_USER_INPUT")
		wantCodes(t, b.Query(p, requestChange, "e", strings.ToUpper(p.Email), "p", p.Password), "requestEmailChange BAD_USER_INPUT")
		token := b.emailChangeToken(p, "New@example.com")
		if got := b.Query(p, `{ me { email } }`).Must(); got.At("me.email") != p.Email {
			t.Error("the address changed before it was confirmed: " + got.Body)
		}
		got := b.Query(p, `mutation($t: String!) { verifyEmail(token: $t) updateProfile(input: {name: "Ada"}) { email emailVerified } }`, "t", token).Must()
		if got.At("updateProfile.email") != "New@example.com" || got.At("updateProfile.emailVerified") != true {
			t.Error(got.Body)
		}
		if !b.isSignedIn(p) {
			t.Error("a change of address ended the session")
		}
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		b.Query(nil, login, "e", "new@example.com", "p", p.Password).Must()

		// The old address gets a notice. It stays reserved while its owner can undo the change.
		undo := b.tokenOf(p.Email, "/undo-email-change")
		wantCodes(t, b.Query(nil, registerAs, "e", p.Email), "register EMAIL_TAKEN")
		b.Query(nil, verifyEmail, "t", undo).Must()
		if b.isSignedIn(p) {
			t.Error("a session is still valid after the undo")
		}
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		b.Query(nil, resetPassword, "t", b.tokenOf(p.Email, "/reset-password"), "p", newPassword).Must()
		if got := b.Query(nil, login, "e", p.Email, "p", newPassword).Must(); got.At("login.user.id") != p.ID {
			t.Error(got.Body)
		}
	})
}

// TestOwnerCanUndoAHostileEmailChange checks that the owner can undo a change of address whatever
// an attacker with a session and the password does: a second change, an undo of that change, a new
// password.
func TestOwnerCanUndoAHostileEmailChange(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name   string
			attack func(b *testServer, p *servertest.User, first, second string)
			after  time.Duration
		}{
			{"before the change is confirmed", func(b *testServer, p *servertest.User, first, second string) { b.emailChangeToken(p, first) }, 0},
			{"after 71 hours", func(b *testServer, p *servertest.User, first, second string) {
				b.Query(nil, verifyEmail, "t", b.emailChangeToken(p, first), "p", p.Password).Must()
				b.deliver()
			}, 71 * time.Hour},
			{"after a second change that was undone", func(b *testServer, p *servertest.User, first, second string) {
				b.Query(nil, verifyEmail, "t", b.emailChangeToken(p, first), "p", p.Password).Must()
				b.Query(nil, verifyEmail, "t", b.emailChangeToken(p, second), "p", p.Password).Must()
				b.Query(nil, verifyEmail, "t", b.tokenOf(first, "/undo-email-change")).Must()
			}, 0},
			{"after a new password", func(b *testServer, p *servertest.User, first, second string) {
				b.Query(nil, verifyEmail, "t", b.emailChangeToken(p, first), "p", p.Password).Must()
				b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
				b.Query(nil, requestReset, "e", first).Must()
				b.Query(nil, resetPassword, "t", b.tokenOf(first, "/reset-password"), "p", "a third good password").Must()
			}, 0},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL)
				p := b.NewUser("USER")
				first, second := newAddress(), newAddress()
				row.attack(b, p, first, second)
				b.Clock.Advance(row.after)
				b.Query(nil, verifyEmail, "t", b.tokenOf(p.Email, "/undo-email-change")).Must()
				b.Query(nil, resetPassword, "t", b.tokenOf(p.Email, "/reset-password"), "p", "the owner's password").Must()
				got := b.Query(nil, login, "e", p.Email, "p", "the owner's password").Must()
				if got.At("login.user.id") != p.ID {
					t.Error(got.Body)
				}
				for _, m := range b.receivedMails() {
					if u, err := url.Parse(m.Link); err == nil && m.Link != "" && (m.To == first || m.To == second) {
						if got := b.Query(nil, verifyEmail, "t", u.Query().Get("token")); !slices.Equal(got.Codes(), []string{"verifyEmail INVALID_TOKEN"}) {
							t.Errorf("the token of %q to the attacker is still valid: %s", m.Subject, got.Body)
						}
					}
				}
			})
		}
	})
}

// TestUndoDropsQueuedMailsToTheThief checks that an undo also drops the queued mails to the
// attacker's address. Their links would undo the undo.
func TestUndoDropsQueuedMailsToTheThief(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name   string
			attack func(b *testServer, p *servertest.User, first, second string)
		}{
			{"another change was requested", func(b *testServer, p *servertest.User, first, second string) {
				b.Query(p, requestChange, "e", second, "p", p.Password).Must()
			}},
			{"another change was made", func(b *testServer, p *servertest.User, first, second string) {
				b.Query(nil, verifyEmail, "t", b.emailChangeToken(p, second), "p", p.Password).Must()
			}},
			{"another change was undone", func(b *testServer, p *servertest.User, first, second string) {
				b.emailChangeToken(p, second)
				b.Query(nil, verifyEmail, "t", b.tokenOf(first, "/undo-email-change")).Must()
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL)
				p := b.NewUser("USER")
				first, second := newAddress(), newAddress()
				b.Query(nil, verifyEmail, "t", b.emailChangeToken(p, first), "p", p.Password).Must()
				undo := b.tokenOf(p.Email, "/undo-email-change")
				row.attack(b, p, first, second)
				before := len(b.receivedMails())
				b.Query(nil, verifyEmail, "t", undo).Must()
				b.deliver()
				got := b.receivedMails()
				for _, m := range got[:len(got)-before] {
					if m.To != p.Email {
						t.Errorf("%q was mailed to the attacker", m.Subject)
					}
				}
				b.Query(nil, resetPassword, "t", b.tokenOf(p.Email, "/reset-password"), "p", newPassword).Must()
			})
		}
	})
}

// TestEmailChangeRacingAResetSendsNoMail checks that requestEmailChange verifies the password again
// when it stores the change: the password may be replaced between the first check and then.
func TestEmailChangeRacingAResetSendsNoMail(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "BCRYPT_COST", "10") // makes the first check slow
		rounds := 3
		if dbtest.Exhaustive() {
			rounds = 10
		}
		for range rounds {
			p, to := b.NewUser("USER"), newAddress()
			token := b.resetToken(p)
			requested := make(chan *servertest.Response)
			go func() { requested <- b.Query(p, requestChange, "e", to, "p", p.Password) }()
			b.Query(nil, resetPassword, "t", token, "p", newPassword).Must()
			<-requested
			if got := b.mailsTo(to); len(got) != 0 {
				t.Fatalf("%q was sent after the reset", got[0].Subject)
			}
		}
	})
}

// TestEmailChangeToATakenAddressNotifiesItsOwnerOnly checks that only a mail to a taken address
// reveals that it has an account.
func TestEmailChangeToATakenAddressNotifiesItsOwnerOnly(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p, other := b.NewUser("USER"), b.NewUser("USER")
		b.Query(p, requestChange, "e", strings.ToUpper(other.Email), "p", p.Password).Must()
		if notice := b.mailsTo(other.Email)[0]; notice.Link != "" {
			t.Errorf("%q has a link", notice.Subject)
		}
		// The address can also be taken after the mail was sent.
		token := b.emailChangeToken(p, "both@example.com")
		b.Query(nil, registerAs, "e", "both@example.com").Must()
		wantCodes(t, b.Query(nil, verifyEmail, "t", token, "p", p.Password), "verifyEmail EMAIL_TAKEN")
	})
}

func TestDeleteAccountRemovesAllItsRows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p, admin := b.NewUser("USER"), b.NewUser("ADMIN")
		phone := b.newDevice(p, true)
		reset := b.resetToken(p)
		wantCodes(t, b.Query(p, deleteAccount, "p", "wrong password"), "deleteAccount INVALID_CREDENTIALS")
		wantCodes(t, b.Query(admin, deleteAccount, "p", admin.Password), "deleteAccount CONFLICT")
		b.Query(nil, requestReset, "e", p.Email).Must() // queued in the outbox
		got := b.Query(p, `mutation($p: String!) { deleteAccount(password: $p) again: logout }`, "p", p.Password).Must()
		if got.At("deleteAccount") != true || got.At("again") != false {
			t.Error(got.Body)
		}
		if b.isSignedIn(p) || b.isSignedIn(phone.User) {
			t.Error("a session is still valid after its account was deleted")
		}
		for query, token := range map[string]string{refreshInBody: phone.refresh, `mutation($t: String!) { resetPassword(input: {token: $t, newPassword: "` + newPassword + `"}) }`: reset} {
			if got := b.Query(nil, query, "t", token); len(got.Codes()) != 1 || !strings.HasSuffix(got.Codes()[0], "INVALID_TOKEN") {
				t.Error(got.Body)
			}
		}
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		wantCodes(t, b.Query(admin, `query($u: ID!) { user(id: $u) { id } }`, "u", p.ID), "user NOT_FOUND")
		before := len(b.receivedMails())
		b.deliver()
		if len(b.receivedMails()) != before {
			t.Error("a mail was sent to a deleted account")
		}
		for _, table := range []string{"users", "sessions", "tickets", "mails"} {
			if rows := countUserRows(t, databaseURL, table, p); rows != 0 {
				t.Errorf("%s has %d rows of the deleted account", table, rows)
			}
		}
		if n := b.countTrustedIPs(databaseURL, p); n != 0 {
			t.Errorf("%d trusted places of a deleted account, want 0", n)
		}
		// The address can be registered again.
		b.Query(nil, registerAs, "e", p.Email).Must()
	})
}

// countUserRows counts the rows of a user in a table.
func countUserRows(t *testing.T, databaseURL, table string, p *servertest.User) (rows int) {
	t.Helper()
	condition := map[string]string{"users": "id = ?", "sessions": "user_id = ?", "tickets": "user_id = ?", "mails": "user_id = ?"}[table]
	db := servertest.OpenDatabase(t, databaseURL)
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table+" WHERE "+condition, p.ID).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestTokensAreRejectedForOtherPurposes checks that each kind of token works for its own purpose
// only.
func TestTokensAreRejectedForOtherPurposes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		phone := b.newDevice(p, false)
		change := b.emailChangeToken(p, "new@example.com")
		tokens := map[string]string{
			"verify": b.tokenOf(p.Email, "/verify-email"), "change": change, "undo": b.tokenOf(p.Email, "/undo-email-change"),
			"reset": b.resetToken(p), "access": p.Token, "refresh": phone.refresh, "nothing": "", "no token": "x", "a NUL": "a\x00b", "too long": strings.Repeat("a", 10_000),
		}
		for name, token := range tokens {
			if !slices.Contains([]string{"verify", "change", "undo"}, name) {
				wantCodes(t, b.Query(nil, verifyEmail, "t", token), "verifyEmail INVALID_TOKEN")
			}
			if name != "reset" {
				wantCodes(t, b.Query(nil, resetPassword, "t", token, "p", newPassword), "resetPassword INVALID_TOKEN")
			}
			if name != "refresh" {
				wantCodes(t, b.Query(nil, refreshInBody, "t", token), "refresh INVALID_TOKEN")
			}
			if name != "access" && !strings.ContainsAny(token, "\x00") {
				if got := b.QueryWith(http.Header{"Authorization": {"Bearer " + token}}, `{ me { id } }`); !slices.Equal(got.Codes(), []string{"me UNAUTHENTICATED"}) {
					t.Errorf("%s as an access token: %s", name, got.Body)
				}
			}
		}
		b.mustRefresh(phone.refresh)
		b.Query(nil, resetPassword, "t", tokens["reset"], "p", newPassword).Must()
	})
}

func TestConcurrentUsesOfATokenSucceedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		for _, row := range []struct {
			name, query string
			token       func() string
		}{
			{"verifyEmail", verifyEmail, func() string { return b.tokenOf(p.Email, "/verify-email") }},
			{"resetPassword", `mutation($t: String!) { resetPassword(input: {token: $t, newPassword: "` + newPassword + `"}) }`, func() string { return b.resetToken(p) }},
		} {
			token := row.token()
			const n = 50
			answers := make(chan *servertest.Response, n)
			for range n {
				go func() { answers <- b.Query(p, row.query, "t", token) }()
			}
			succeeded := 0
			for range n {
				switch got := <-answers; {
				case len(got.Errors) == 0:
					succeeded++
				case !slices.Equal(got.Codes(), []string{row.name + " INVALID_TOKEN"}):
					t.Error(got.Body)
				}
			}
			if succeeded != 1 {
				t.Errorf("%s: %d of %d uses succeeded, want 1", row.name, succeeded, n)
			}
		}
	})
}

// TestStaleLinksAreRejected lists everything that invalidates a link: newer links, later changes of
// the account and age.
func TestStaleLinksAreRejected(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		verify := func(b *testServer, p *servertest.User) string { return b.tokenOf(p.Email, "/verify-email") }
		change := func(b *testServer, p *servertest.User) string { return b.emailChangeToken(p, newAddress()) }
		reset := (*testServer).resetToken
		for _, row := range []struct {
			name  string
			query string
			token func(*testServer, *servertest.User) string
			then  func(*testServer, *servertest.User)
		}{
			{"a verification after a newer one", verifyEmail, verify, func(b *testServer, p *servertest.User) {
				b.Query(p, `mutation { requestEmailVerification }`).Must()
				b.deliver()
			}},
			{"a verification after a change of address", verifyEmail, verify, func(b *testServer, p *servertest.User) {
				b.Query(nil, verifyEmail, "t", change(b, p), "p", p.Password).Must()
			}},
			{"a verification after a day", verifyEmail, verify, func(b *testServer, _ *servertest.User) { b.Clock.Advance(24 * time.Hour) }},
			{"a reset mailed by an undo, after an hour", resetPassword, func(b *testServer, p *servertest.User) string {
				b.emailChangeToken(p, newAddress())
				b.Query(nil, verifyEmail, "t", b.tokenOf(p.Email, "/undo-email-change")).Must()
				return b.tokenOf(p.Email, "/reset-password")
			}, func(b *testServer, _ *servertest.User) { b.Clock.Advance(time.Hour) }},
			{"a reset after a newer one", resetPassword, reset, func(b *testServer, p *servertest.User) { b.resetToken(p) }},
			{"a reset after another reset", resetPassword, reset, func(b *testServer, p *servertest.User) {
				b.Query(nil, resetPassword, "t", b.resetToken(p), "p", newPassword).Must()
			}},
			{"a reset after a password change", resetPassword, reset, func(b *testServer, p *servertest.User) {
				b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
			}},
			{"a reset after a change of address", resetPassword, reset, func(b *testServer, p *servertest.User) {
				b.Query(nil, verifyEmail, "t", change(b, p), "p", p.Password).Must()
			}},
			{"a reset after the account was disabled", resetPassword, reset, func(b *testServer, p *servertest.User) {
				_, _ = b.internal.Accounts.AsOperator().Disable(t.Context(), p.ID)
			}},
			{"a reset after an hour", resetPassword, reset, func(b *testServer, _ *servertest.User) { b.Clock.Advance(time.Hour) }},
			{"a change of address after a newer one to another address", verifyEmail, change, func(b *testServer, p *servertest.User) { b.emailChangeToken(p, newAddress()) }},
			{"a change of address after a password change", verifyEmail, change, func(b *testServer, p *servertest.User) {
				b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
			}},
			{"a change of address after a reset", verifyEmail, change, func(b *testServer, p *servertest.User) {
				b.Query(nil, resetPassword, "t", b.resetToken(p), "p", newPassword).Must()
			}},
			{"a change of address after its undo", verifyEmail, change, func(b *testServer, p *servertest.User) {
				b.Query(nil, verifyEmail, "t", b.tokenOf(p.Email, "/undo-email-change")).Must()
			}},
			{"a change of address after a day", verifyEmail, change, func(b *testServer, _ *servertest.User) { b.Clock.Advance(24 * time.Hour) }},
			{"an undo after 72 hours", verifyEmail, func(b *testServer, p *servertest.User) string {
				b.emailChangeToken(p, newAddress())
				return b.tokenOf(p.Email, "/undo-email-change")
			}, func(b *testServer, _ *servertest.User) { b.Clock.Advance(72 * time.Hour) }},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL)
				p := b.NewUser("USER")
				token := row.token(b, p)
				row.then(b, p)
				variables := []any{"t", token}
				if row.query == resetPassword {
					variables = append(variables, "p", "a third good password")
				}
				if got := b.Query(nil, row.query, variables...); len(got.Codes()) != 1 || !strings.HasSuffix(got.Codes()[0], " INVALID_TOKEN") {
					t.Error(got.Body)
				}
			})
		}
	})
}

func TestPasswordChangeCancelsAQueuedEmailChange(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		b.Query(p, requestChange, "e", "new@example.com", "p", p.Password).Must()
		b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
		if got := b.mailsTo("new@example.com"); len(got) != 0 {
			t.Errorf("%q was sent after the password change", got[0].Subject)
		}
		// The verification link, the warning and the notice of the new password.
		if got := b.mailsTo(p.Email); len(got) != 3 {
			t.Errorf("%d mails to the old address, want 3", len(got))
		}
	})
}

// TestPasswordResetTakesOverAnUnverifiedAccount checks that the owner of a mailbox takes over an
// account that an attacker registered with its address, and that the attacker loses every access.
func TestPasswordResetTakesOverAnUnverifiedAccount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER") // the attacker
		other := b.newDevice(p, true)
		change := b.emailChangeToken(p, "attacker@example.com")
		b.Query(nil, resetPassword, "t", b.resetToken(p), "p", newPassword).Must()
		if b.isSignedIn(p) || b.isSignedIn(other.User) {
			t.Error("a session of the attacker is still valid")
		}
		wantCodes(t, b.Query(nil, login, "e", p.Email, "p", p.Password), "login INVALID_CREDENTIALS")
		wantCodes(t, b.Query(nil, verifyEmail, "t", change), "verifyEmail INVALID_TOKEN")
		wantCodes(t, b.Query(nil, refreshInBody, "t", other.refresh), "refresh INVALID_TOKEN")
	})
}

// TestMailLinksUseAppURL checks that links are built from APP_URL, not from the Host or forwarding
// headers of the request.
func TestMailLinksUseAppURL(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "APP_URL", "https://app.example.com/accounts/", "TRUSTED_PROXIES", "127.0.0.1", "ALLOWED_HOSTS", "evil.example")
		p := b.NewUser("USER")
		body := `{"query": "mutation { requestPasswordReset(email: \"` + p.Email + `\") }"}`
		for _, forged := range []http.Header{
			{"X-Forwarded-Host": {"evil.example"}},
			{"X-Forwarded-Proto": {"http"}, "X-Forwarded-Server": {"evil.example"}, "X-Original-Host": {"evil.example"}},
			{"Forwarded": {"host=evil.example"}},
			{"Referer": {"https://evil.example/"}},
			{"Host": {"evil.example"}},
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+"/graphql", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header, r.Host = forged, forged.Get("Host")
			r.Header.Set("Content-Type", "application/json")
			b.Do(r).Must()
		}
		got := b.mailsTo(p.Email)
		if len(got) != 6 {
			t.Fatalf("%d mails, want 6", len(got))
		}
		for _, m := range got {
			if strings.Contains(m.Text+m.HTML, "evil") || !strings.HasPrefix(m.Link, "https://app.example.com/accounts/reset-password?token=") && !strings.HasPrefix(m.Link, "https://app.example.com/accounts/verify-email?token=") {
				t.Errorf("the link of %q is %s, want one below APP_URL", m.Subject, m.Link)
			}
		}
	})
}

// TestOpeningALinkChangesNothing checks that links survive mail scanners, which open every link and
// often several times.
func TestOpeningALinkChangesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		change := b.emailChangeToken(p, "new@example.com")
		tokens := map[string]string{
			"/verify-email": b.tokenOf(p.Email, "/verify-email"), "/confirm-email": change,
			"/undo-email-change": b.tokenOf(p.Email, "/undo-email-change"), "/reset-password": b.resetToken(p),
		}
		for range 3 {
			for path, token := range tokens {
				for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
					r, err := http.NewRequestWithContext(t.Context(), method, b.URL+path+"?token="+token, nil)
					if err != nil {
						t.Fatal(err)
					}
					got := b.Do(r)
					if wantStatus := map[bool]int{true: http.StatusMethodNotAllowed, false: http.StatusOK}[method == http.MethodPost]; got.Status != wantStatus {
						t.Errorf("%s %s: %d, want %d", method, path, got.Status, wantStatus)
					}
					if strings.Contains(got.Body, token) {
						t.Errorf("the page %s contains the token", path)
					}
				}
			}
		}
		b.Query(nil, verifyEmail, "t", tokens["/verify-email"], "p", p.Password).Must()
		b.Query(nil, verifyEmail, "t", tokens["/confirm-email"], "p", p.Password).Must()
		// The change of address revoked this token.
		wantCodes(t, b.Query(nil, resetPassword, "t", tokens["/reset-password"], "p", newPassword), "resetPassword INVALID_TOKEN")
		b.Query(nil, verifyEmail, "t", tokens["/undo-email-change"]).Must()
		for path, token := range tokens {
			if strings.Contains(b.Log.String(), token) {
				t.Errorf("the log contains the token of %s", path)
			}
		}
	})
}

// TestRegistrationWithRequiredVerificationHidesAccounts checks that a registration does not reveal
// whether an account exists. Only the owner of the address learns it, by mail.
func TestRegistrationWithRequiredVerificationHidesAccounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		ada := newAddress()
		first := b.Query(nil, registerAs, "e", ada)
		wantCodes(t, first, "register EMAIL_NOT_VERIFIED")
		wantCodes(t, b.Query(nil, login, "e", ada, "p", servertest.Password), "login EMAIL_NOT_VERIFIED")
		wantCodes(t, b.Query(nil, login, "e", ada, "p", "wrong password"), "login INVALID_CREDENTIALS")
		for name, email := range map[string]string{"taken and not verified": ada, "taken, in capitals": strings.ToUpper(ada), "new": newAddress()} {
			if got := b.Query(nil, registerAs, "e", email); !sameResponse(got, first) {
				t.Errorf("%s: %s %v\nwant %s %v", name, got.Body, got.Header, first.Body, first.Header)
			}
		}
		// Registrations and the login each mailed a link. The test uses the newest.
		b.Query(nil, verifyEmail, "t", b.tokenOf(ada, "/verify-email"), "p", servertest.Password).Must()
		b.Query(nil, login, "e", ada, "p", servertest.Password).Must()

		// The owner of the address gets a mail about the registration, with a link to reset the
		// password.
		wantCodes(t, b.Query(nil, registerAs, "e", ada), "register EMAIL_NOT_VERIFIED")
		b.Query(nil, resetPassword, "t", b.tokenOf(ada, "/reset-password"), "p", newPassword).Must()
		b.Query(nil, login, "e", ada, "p", newPassword).Must()

		// Invalid input is still reported: it reveals nothing about accounts.
		wantCodes(t, b.Query(nil, `mutation { register(input: {name: "", email: "x", password: "short"}) { tokenType } }`), "register BAD_USER_INPUT")
	})
}

// TestRegistrationOfATakenAddressIsIndistinguishable checks that a registration answers the same
// and takes as many statements whether the address is free, used, disabled or reserved. The mail
// gives the reason.
func TestRegistrationOfATakenAddressIsIndistinguishable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		admin := b.newCommandLineUser("ADMIN")
		statements := func(email string) uint64 {
			before := b.internal.Store.Queries()
			wantCodes(t, b.Query(nil, registerAs, "e", email), "register EMAIL_NOT_VERIFIED")
			return b.internal.Store.Queries() - before
		}
		verified, disabled, moved := b.newCommandLineUser("USER"), b.newCommandLineUser("USER"), b.newCommandLineUser("USER")
		unverified := newAddress()
		want := statements(unverified)
		b.Query(admin, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", disabled.ID).Must()
		b.Query(nil, verifyEmail, "t", b.emailChangeToken(moved, newAddress()), "p", moved.Password).Must()
		for _, row := range []struct {
			name, email, subject string
		}{
			{"of an account", verified.Email, "You have an account at Example Accounts already"},
			{"of an unverified account", unverified, "Confirm your e-mail address for Example Accounts"},
			{"of a disabled account", disabled.Email, "You cannot register at Example Accounts with this e-mail address"},
			{"that an account had until now", moved.Email, "You cannot register at Example Accounts with this e-mail address"},
		} {
			// An inserted row is deleted again.
			if got := statements(row.email); got != want && row.email != moved.Email {
				t.Errorf("an address %s takes %d statements, want %d as for a free one", row.name, got, want)
			}
			if got := b.mailsTo(row.email); len(got) == 0 || got[0].Subject != row.subject {
				t.Errorf("an address %s: %d mails, want the newest with the subject %q", row.name, len(got), row.subject)
			}
		}
		if got := b.auditEvents(admin, verified); !slices.Equal(got, []string{"already registered", "sign-in", "registered USER"}) {
			t.Errorf("the audit log has the events %q", got)
		}
		if got := b.Query(admin, `query($e: String!) { users(search: $e) { edges { node { id } } } }`, "e", moved.Email).Must(); len(got.At("users.edges").([]any)) != 0 {
			t.Error("a registration of a reserved address created an account: " + got.Body)
		}
	})
}

// newCommandLineUser creates an account as the command line does, and signs it in.
func (b *testServer) newCommandLineUser(role string) *servertest.User {
	b.t.Helper()
	p := &servertest.User{Email: newAddress(), Password: servertest.Password}
	u, err := b.internal.Accounts.CreateUser(b.t.Context(), account.Registration{Name: "Somebody", Email: p.Email, Password: p.Password}, role)
	if err != nil {
		b.t.Fatal(err)
	}
	p.ID = u.ID
	p.Token = b.Query(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { accessToken } }`,
		"e", p.Email, "p", p.Password).Must().Text("login.accessToken")
	return p
}

// TestConcurrentUnverifiedRegistrationsCreateOneAccount checks that one of many concurrent
// registrations creates the account, and that all responses are the same.
func TestConcurrentUnverifiedRegistrationsCreateOneAccount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		const n = 50
		answers := make(chan *servertest.Response, n)
		for range n {
			go func() { answers <- b.Query(nil, registerAs, "e", email) }()
		}
		for range n {
			wantCodes(t, <-answers, "register EMAIL_NOT_VERIFIED")
		}
		if rows := countRows(t, databaseURL, "users", "email = ?", email); rows != 1 {
			t.Errorf("%d accounts, want 1", rows)
		}
		// One for each registration.
		if links := b.tokensOf(email, "/verify-email"); len(links) != n {
			t.Errorf("%d verification links, want %d", len(links), n)
		}
	})
}

// TestAccountsCreatedByCommandAreVerified checks that an address given by the operator needs no
// verification.
func TestAccountsCreatedByCommandAreVerified(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		ada := newAddress()
		if _, err := b.internal.Accounts.CreateUser(t.Context(), account.Registration{Name: "Ada", Email: ada, Password: servertest.Password}, "ADMIN"); err != nil {
			t.Fatal(err)
		}
		b.Query(nil, login, "e", ada, "p", servertest.Password).Must()
	})
}

// TestMailsToOneAddressAreLimited checks that many clients can cause only ten mails an hour to one
// address. Warnings are sent in any case.
func TestMailsToOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		p := b.NewUser("USER")
		b.Clock.Stop()
		b.deliver()
		before := len(b.receivedMails())
		for i := range 30 {
			b.QueryWith(http.Header{"X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", i)}}, requestReset, "e", p.Email).Must()
		}
		b.deliver()
		if got := len(b.receivedMails()) - before; got != 10 {
			t.Errorf("%d mails, want 10", got)
		}
		b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
		b.deliver()
		if got := len(b.receivedMails()) - before; got != 11 {
			t.Errorf("%d mails, want 11 with the warning", got)
		}
		b.Clock.Advance(time.Hour)
		b.Query(nil, requestReset, "e", p.Email).Must()
		b.deliver()
		if got := len(b.receivedMails()) - before; got != 12 {
			t.Errorf("%d mails, want 12 after an hour", got)
		}
	})
}

// TestNoticesDoNotExhaustTheRecoveryMailLimit checks that notices caused by others do not use up
// the limit of password resets.
func TestNoticesDoNotExhaustTheRecoveryMailLimit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		p, attacker := b.NewUser("USER"), b.NewUser("USER")
		b.Clock.Stop()
		b.deliver()
		for i := range 15 {
			from := http.Header{"X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", i)}, "Authorization": {"Bearer " + attacker.Token}}
			b.QueryWith(from, requestChange, "e", p.Email, "p", attacker.Password).Must()
			b.deliver()
		}
		b.Query(nil, resetPassword, "t", b.resetToken(p), "p", newPassword).Must()
	})
}
