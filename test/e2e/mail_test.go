package main

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
)

// bootMailing starts a server that sends its mail to an SMTP server of the test, as nearly everything about mail is tested.
func bootMailing(t *testing.T, databaseURL string, env ...string) *booted {
	t.Helper()
	return bootWithMail(t, databaseURL, mailtest.Start(t, mailtest.Options{}), env...)
}

// deliver sends what waits in the outbox.
func (b *booted) deliver() {
	b.t.Helper()
	if _, err := b.mailer.Deliver(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// mails are those that have come to an address, newest first.
func (b *booted) mails(to string) (list []mail.Received) {
	b.t.Helper()
	b.deliver()
	for _, m := range b.arrived() {
		if m.To == to {
			list = append(list, m)
		}
	}
	return list
}

// arrived are all mails that have come, newest first.
func (b *booted) arrived() (list []mail.Received) {
	if b.smtp == nil {
		return b.inbox.Messages()
	}
	for _, m := range b.smtp.Messages() {
		list = append(list, mail.Received{Message: mail.Message{To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, Link: linkIn(m.Text)}})
	}
	slices.Reverse(list)
	return list
}

// linkIn is what a text wants clicked: a line with a token in it.
func linkIn(text string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, "?token=") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// tokenOf is the token in the newest mail to an address whose link leads to path.
func (b *booted) tokenOf(to, path string) string {
	b.t.Helper()
	for _, m := range b.mails(to) {
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
	registerAs     = `mutation($e: String!) { register(input: {name: "X", email: $e, password: "` + goodPassword + `"}) { tokenType } }`
	login          = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id email emailVerified } } }`
	anotherGood    = "another good password"
)

// resetToken asks for a reset of somebody's password and returns the token that they get.
func (b *booted) resetToken(p *person) string {
	b.t.Helper()
	b.ask(nil, requestReset, "e", p.email).must()
	return b.tokenOf(p.email, "/reset-password")
}

// newAddress is one that nobody has.
func newAddress() string { return fmt.Sprintf("new%d@example.com", people.Add(1)) }

// changeToken asks for another address and returns the token that it gets.
func (b *booted) changeToken(p *person, to string) string {
	b.t.Helper()
	b.ask(p, requestChange, "e", to, "p", p.password).must()
	return b.tokenOf(to, "/confirm-email")
}

func TestVerifyEmail(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		token := b.tokenOf(p.email, "/verify-email")
		if got := b.ask(p, `{ me { emailVerified } }`).must(); got.at("me.emailVerified") != false {
			t.Error(got.body)
		}
		b.ask(nil, verifyEmail, "t", token, "p", p.password).must()
		if got := b.ask(p, `{ me { emailVerified } }`).must(); got.at("me.emailVerified") != true {
			t.Error(got.body)
		}
		wantCodes(t, b.ask(nil, verifyEmail, "t", token), "verifyEmail INVALID_TOKEN")

		before := len(b.mails(p.email))
		b.ask(p, `mutation { requestEmailVerification }`).must()
		if got := len(b.mails(p.email)); got != before {
			t.Error("a verified address gets another link")
		}
		wantCodes(t, b.ask(nil, `mutation { requestEmailVerification }`), "requestEmailVerification UNAUTHENTICATED")
	})
}

func TestResetPassword(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		phone := b.newDevice(p, true)
		token := b.resetToken(p)
		wantCodes(t, b.ask(nil, resetPassword, "t", token, "p", "short"), "resetPassword BAD_USER_INPUT")
		wantCodes(t, b.ask(nil, resetPassword, "t", token, "p", p.email), "resetPassword BAD_USER_INPUT")
		b.ask(nil, resetPassword, "t", token, "p", anotherGood).must()
		if b.signedIn(p) || b.signedIn(phone.person) {
			t.Error("a session outlives a reset")
		}
		wantCodes(t, b.ask(nil, refreshInBody, "t", phone.refresh), "refresh INVALID_TOKEN")
		wantCodes(t, b.ask(nil, login, "e", p.email, "p", p.password), "login INVALID_CREDENTIALS")
		got := b.ask(nil, login, "e", p.email, "p", anotherGood).must()
		if got.at("login.user.emailVerified") != true {
			t.Error("who got the mail has shown that it reaches them")
		}
		wantCodes(t, b.ask(nil, resetPassword, "t", token, "p", "a third good password"), "resetPassword INVALID_TOKEN")
		if told := b.mails(p.email)[0]; told.Link != "" || !strings.Contains(told.Subject, "assword") {
			t.Errorf("no notice of the new password, but %q", told.Subject)
		}
	})
}

// Of a request nobody can tell who has an account; who has none gets no mail.
func TestResetOfAnUnknownAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p, shut := b.newPerson("USER"), b.newPerson("USER")
		if _, err := b.accounts.AsOperator().Disable(t.Context(), shut.id); err != nil {
			t.Fatal(err)
		}
		b.deliver()
		before := len(b.arrived())
		for _, email := range []string{"nobody@example.com", shut.email, "no address", ""} {
			got := b.ask(nil, requestReset, "e", email).must()
			if known := b.ask(nil, requestReset, "e", p.email).must(); !sameAnswer(got, known) {
				t.Errorf("%q: %s %v, and for a known one %s %v", email, got.body, got.header, known.body, known.header)
			}
		}
		b.deliver()
		if got := len(b.arrived()) - before; got != 4 || len(b.mails("nobody@example.com"))+len(b.mails(shut.email)) > 1 {
			t.Errorf("%d mails", got)
		}
	})
}

// sameAnswer: byte for byte, but for the request's id, which is as long as any other, and the time.
func sameAnswer(a, b *answer) bool {
	headers := []http.Header{a.header.Clone(), b.header.Clone()}
	for _, h := range headers {
		h["X-Request-Id"] = []string{fmt.Sprint(len(h.Get("X-Request-Id")))}
		h.Del("Date")
	}
	return a.body == b.body && a.status == b.status && reflect.DeepEqual(headers[0], headers[1])
}

func TestMailGoesToTheStoredAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		b.ask(nil, `mutation { register(input: {name: "Ada", email: "Ada@Example.com", password: "`+goodPassword+`"}) { tokenType } }`).must()
		b.ask(nil, requestReset, "e", "ADA@EXAMPLE.COM").must()
		if got := b.mails("Ada@example.com"); len(got) != 2 { // the domain as DNS has it
			t.Errorf("%d mails to the address as it was typed at the registration, want 2", len(got))
		}
	})
}

func TestChangeEmail(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		wantCodes(t, b.ask(p, requestChange, "e", "new@example.com", "p", "wrong password"), "requestEmailChange INVALID_CREDENTIALS")
		wantCodes(t, b.ask(p, requestChange, "e", "no address", "p", p.password), "requestEmailChange BAD_USER_INPUT")
		wantCodes(t, b.ask(p, requestChange, "e", strings.ToUpper(p.email), "p", p.password), "requestEmailChange BAD_USER_INPUT")
		token := b.changeToken(p, "New@example.com")
		if got := b.ask(p, `{ me { email } }`).must(); got.at("me.email") != p.email {
			t.Error("changed before it was confirmed: " + got.body)
		}
		got := b.ask(p, `mutation($t: String!) { verifyEmail(token: $t) updateProfile(input: {name: "Ada"}) { email emailVerified } }`, "t", token).must()
		if got.at("updateProfile.email") != "New@example.com" || got.at("updateProfile.emailVerified") != true {
			t.Error(got.body)
		}
		if !b.signedIn(p) {
			t.Error("signed out")
		}
		wantCodes(t, b.ask(nil, login, "e", p.email, "p", p.password), "login INVALID_CREDENTIALS")
		b.ask(nil, login, "e", "new@example.com", "p", p.password).must()

		// The old one is told, and stays the person's for as long as they may take it back.
		undo := b.tokenOf(p.email, "/undo-email-change")
		wantCodes(t, b.ask(nil, registerAs, "e", p.email), "register EMAIL_TAKEN")
		b.ask(nil, verifyEmail, "t", undo).must()
		if b.signedIn(p) {
			t.Error("who changed it is still signed in")
		}
		wantCodes(t, b.ask(nil, login, "e", p.email, "p", p.password), "login INVALID_CREDENTIALS")
		b.ask(nil, resetPassword, "t", b.tokenOf(p.email, "/reset-password"), "p", anotherGood).must()
		if got := b.ask(nil, login, "e", p.email, "p", anotherGood).must(); got.at("login.user.id") != p.id {
			t.Error(got.body)
		}
	})
}

// Somebody who has a session and the password moves the account twice, and tries everything that ends tickets, so
// that its owner cannot take it back. They can.
func TestOwnerTakesTheAddressBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name   string
			thief  func(b *booted, p *person, has, hasToo string)
			before time.Duration
		}{
			{"before it is confirmed", func(b *booted, p *person, has, hasToo string) { b.changeToken(p, has) }, 0},
			{"after 71 hours", func(b *booted, p *person, has, hasToo string) {
				b.ask(nil, verifyEmail, "t", b.changeToken(p, has), "p", p.password).must()
				b.deliver()
			}, 71 * time.Hour},
			{"after a second change, which was undone", func(b *booted, p *person, has, hasToo string) {
				b.ask(nil, verifyEmail, "t", b.changeToken(p, has), "p", p.password).must()
				b.ask(nil, verifyEmail, "t", b.changeToken(p, hasToo), "p", p.password).must()
				b.ask(nil, verifyEmail, "t", b.tokenOf(has, "/undo-email-change")).must()
			}, 0},
			{"after a new password", func(b *booted, p *person, has, hasToo string) {
				b.ask(nil, verifyEmail, "t", b.changeToken(p, has), "p", p.password).must()
				b.ask(p, changePassword, "c", p.password, "n", anotherGood).must()
				b.ask(nil, requestReset, "e", has).must()
				b.ask(nil, resetPassword, "t", b.tokenOf(has, "/reset-password"), "p", "a third good password").must()
			}, 0},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootMailing(t, databaseURL)
				p := b.newPerson("USER")
				has, hasToo := newAddress(), newAddress()
				row.thief(b, p, has, hasToo)
				b.clock.advance(row.before)
				b.ask(nil, verifyEmail, "t", b.tokenOf(p.email, "/undo-email-change")).must()
				b.ask(nil, resetPassword, "t", b.tokenOf(p.email, "/reset-password"), "p", "the owner's password").must()
				got := b.ask(nil, login, "e", p.email, "p", "the owner's password").must()
				if got.at("login.user.id") != p.id {
					t.Error(got.body)
				}
				for _, m := range b.arrived() {
					if u, err := url.Parse(m.Link); err == nil && m.Link != "" && (m.To == has || m.To == hasToo) {
						if got := b.ask(nil, verifyEmail, "t", u.Query().Get("token")); !slices.Equal(got.codes(), []string{"verifyEmail INVALID_TOKEN"}) {
							t.Errorf("the thief's %q is still good: %s", m.Subject, got.body)
						}
					}
				}
			})
		}
	})
}

// A mail that still waits for the thief's address, while the owner takes theirs back, brings no link to undo that.
func TestMailsThatWaitDoNotGiveTheAddressToTheThiefAgain(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name  string
			thief func(b *booted, p *person, has, hasToo string)
		}{
			{"another change was asked for", func(b *booted, p *person, has, hasToo string) {
				b.ask(p, requestChange, "e", hasToo, "p", p.password).must()
			}},
			{"another change was made", func(b *booted, p *person, has, hasToo string) {
				b.ask(nil, verifyEmail, "t", b.changeToken(p, hasToo), "p", p.password).must()
			}},
			{"another change was undone", func(b *booted, p *person, has, hasToo string) {
				b.changeToken(p, hasToo)
				b.ask(nil, verifyEmail, "t", b.tokenOf(has, "/undo-email-change")).must()
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootMailing(t, databaseURL)
				p := b.newPerson("USER")
				has, hasToo := newAddress(), newAddress()
				b.ask(nil, verifyEmail, "t", b.changeToken(p, has), "p", p.password).must()
				undo := b.tokenOf(p.email, "/undo-email-change")
				row.thief(b, p, has, hasToo)
				before := len(b.arrived())
				b.ask(nil, verifyEmail, "t", undo).must()
				b.deliver()
				got := b.arrived()
				for _, m := range got[:len(got)-before] {
					if m.To != p.email {
						t.Errorf("%q goes to the thief", m.Subject)
					}
				}
				b.ask(nil, resetPassword, "t", b.tokenOf(p.email, "/reset-password"), "p", anotherGood).must()
			})
		}
	})
}

// A password that is not the account's any more when a change of address is written down is none, although it was
// when it was looked at.
func TestChangeOfAddressIsNotAskedForWithAPasswordThatIsJustReplaced(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "BCRYPT_COST", "10") // so that a look takes its time
		rounds := 3
		if dbtest.Exhaustive() {
			rounds = 10
		}
		for range rounds {
			p, to := b.newPerson("USER"), newAddress()
			token := b.resetToken(p)
			asked := make(chan *answer)
			go func() { asked <- b.ask(p, requestChange, "e", to, "p", p.password) }()
			b.ask(nil, resetPassword, "t", token, "p", anotherGood).must()
			<-asked
			if got := b.mails(to); len(got) != 0 {
				t.Fatalf("%q was sent after the reset", got[0].Subject)
			}
		}
	})
}

// That an address has an account is told to the address alone.
func TestChangeToATakenAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p, other := b.newPerson("USER"), b.newPerson("USER")
		b.ask(p, requestChange, "e", strings.ToUpper(other.email), "p", p.password).must()
		if told := b.mails(other.email)[0]; told.Link != "" {
			t.Errorf("%q has a link", told.Subject)
		}
		// It may come to have one while the mail is on its way.
		token := b.changeToken(p, "both@example.com")
		b.ask(nil, registerAs, "e", "both@example.com").must()
		wantCodes(t, b.ask(nil, verifyEmail, "t", token, "p", p.password), "verifyEmail EMAIL_TAKEN")
	})
}

func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p, admin := b.newPerson("USER"), b.newPerson("ADMIN")
		phone := b.newDevice(p, true)
		reset := b.resetToken(p)
		wantCodes(t, b.ask(p, deleteAccount, "p", "wrong password"), "deleteAccount INVALID_CREDENTIALS")
		wantCodes(t, b.ask(admin, deleteAccount, "p", admin.password), "deleteAccount CONFLICT")
		b.ask(nil, requestReset, "e", p.email).must() // waits in the outbox
		got := b.ask(p, `mutation($p: String!) { deleteAccount(password: $p) again: logout }`, "p", p.password).must()
		if got.at("deleteAccount") != true || got.at("again") != false {
			t.Error(got.body)
		}
		if b.signedIn(p) || b.signedIn(phone.person) {
			t.Error("a session outlives its account")
		}
		for query, token := range map[string]string{refreshInBody: phone.refresh, `mutation($t: String!) { resetPassword(input: {token: $t, newPassword: "` + anotherGood + `"}) }`: reset} {
			if got := b.ask(nil, query, "t", token); len(got.codes()) != 1 || !strings.HasSuffix(got.codes()[0], "INVALID_TOKEN") {
				t.Error(got.body)
			}
		}
		wantCodes(t, b.ask(nil, login, "e", p.email, "p", p.password), "login INVALID_CREDENTIALS")
		wantCodes(t, b.ask(admin, `query($u: ID!) { user(id: $u) { id } }`, "u", p.id), "user NOT_FOUND")
		before := len(b.arrived())
		b.deliver()
		if len(b.arrived()) != before {
			t.Error("a mail to somebody who has left")
		}
		for _, table := range []string{"users", "sessions", "tickets", "mails"} {
			if rows := rowsAbout(t, databaseURL, table, p); rows != 0 {
				t.Errorf("%d rows about the person in %s", rows, table)
			}
		}
		if n := b.trustedPlaces(databaseURL, p); n != 0 {
			t.Errorf("%d trusted places of a deleted account", n)
		}
		// The address is free again.
		b.ask(nil, registerAs, "e", p.email).must()
	})
}

// rowsAbout counts what a table says about a person.
func rowsAbout(t *testing.T, databaseURL, table string, p *person) (rows int) {
	t.Helper()
	condition := map[string]string{"users": "id = ?", "sessions": "user_id = ?", "tickets": "user_id = ?", "mails": "user_id = ?"}[table]
	db := openDatabase(t, databaseURL)
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table+" WHERE "+condition, p.id).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// Each kind of token is good for its own purpose and no other.
func TestTokensOfOneKindAreRefusedWhereAnotherIsWanted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		phone := b.newDevice(p, false)
		change := b.changeToken(p, "new@example.com")
		tokens := map[string]string{
			"verify": b.tokenOf(p.email, "/verify-email"), "change": change, "undo": b.tokenOf(p.email, "/undo-email-change"),
			"reset": b.resetToken(p), "access": p.token, "refresh": phone.refresh, "nothing": "", "no token": "x", "a NUL": "a\x00b", "too long": strings.Repeat("a", 10_000),
		}
		for name, token := range tokens {
			if !slices.Contains([]string{"verify", "change", "undo"}, name) {
				wantCodes(t, b.ask(nil, verifyEmail, "t", token), "verifyEmail INVALID_TOKEN")
			}
			if name != "reset" {
				wantCodes(t, b.ask(nil, resetPassword, "t", token, "p", anotherGood), "resetPassword INVALID_TOKEN")
			}
			if name != "refresh" {
				wantCodes(t, b.ask(nil, refreshInBody, "t", token), "refresh INVALID_TOKEN")
			}
			if name != "access" && !strings.ContainsAny(token, "\x00") {
				if got := b.askWith(http.Header{"Authorization": {"Bearer " + token}}, `{ me { id } }`); !slices.Equal(got.codes(), []string{"me UNAUTHENTICATED"}) {
					t.Errorf("%s as an access token: %s", name, got.body)
				}
			}
		}
		b.refreshed(phone.refresh)
		b.ask(nil, resetPassword, "t", tokens["reset"], "p", anotherGood).must()
	})
}

// One token, many at once: one wins.
func TestOneTokenUsedByManyAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		for _, row := range []struct {
			name, query string
			token       func() string
		}{
			{"verifyEmail", verifyEmail, func() string { return b.tokenOf(p.email, "/verify-email") }},
			{"resetPassword", `mutation($t: String!) { resetPassword(input: {token: $t, newPassword: "` + anotherGood + `"}) }`, func() string { return b.resetToken(p) }},
		} {
			token := row.token()
			const n = 50
			answers := make(chan *answer, n)
			for range n {
				go func() { answers <- b.ask(p, row.query, "t", token) }()
			}
			won := 0
			for range n {
				switch got := <-answers; {
				case len(got.errors) == 0:
					won++
				case !slices.Equal(got.codes(), []string{row.name + " INVALID_TOKEN"}):
					t.Error(got.body)
				}
			}
			if won != 1 {
				t.Errorf("%s: %d won", row.name, won)
			}
		}
	})
}

// What makes a link useless before its time.
func TestOlderLinksAreUseless(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		verify := func(b *booted, p *person) string { return b.tokenOf(p.email, "/verify-email") }
		change := func(b *booted, p *person) string { return b.changeToken(p, newAddress()) }
		reset := (*booted).resetToken
		for _, row := range []struct {
			name  string
			query string
			token func(*booted, *person) string
			then  func(*booted, *person)
		}{
			{"a verification, by a newer one", verifyEmail, verify, func(b *booted, p *person) {
				b.ask(p, `mutation { requestEmailVerification }`).must()
				b.deliver()
			}},
			{"a verification, by another address", verifyEmail, verify, func(b *booted, p *person) { b.ask(nil, verifyEmail, "t", change(b, p), "p", p.password).must() }},
			{"a verification, after a day", verifyEmail, verify, func(b *booted, _ *person) { b.clock.advance(24 * time.Hour) }},
			{"a reset after an undo, after an hour", resetPassword, func(b *booted, p *person) string {
				b.changeToken(p, newAddress())
				b.ask(nil, verifyEmail, "t", b.tokenOf(p.email, "/undo-email-change")).must()
				return b.tokenOf(p.email, "/reset-password")
			}, func(b *booted, _ *person) { b.clock.advance(time.Hour) }},
			{"a reset, by a newer one", resetPassword, reset, func(b *booted, p *person) { b.resetToken(p) }},
			{"a reset, by another reset", resetPassword, reset, func(b *booted, p *person) {
				b.ask(nil, resetPassword, "t", b.resetToken(p), "p", anotherGood).must()
			}},
			{"a reset, by a new password", resetPassword, reset, func(b *booted, p *person) {
				b.ask(p, changePassword, "c", p.password, "n", anotherGood).must()
			}},
			{"a reset, by another address", resetPassword, reset, func(b *booted, p *person) { b.ask(nil, verifyEmail, "t", change(b, p), "p", p.password).must() }},
			{"a reset, by a shut account", resetPassword, reset, func(b *booted, p *person) { _, _ = b.accounts.AsOperator().Disable(t.Context(), p.id) }},
			{"a reset, after an hour", resetPassword, reset, func(b *booted, _ *person) { b.clock.advance(time.Hour) }},
			{"a change of address, by a newer one to another", verifyEmail, change, func(b *booted, p *person) { b.changeToken(p, newAddress()) }},
			{"a change of address, by a new password", verifyEmail, change, func(b *booted, p *person) {
				b.ask(p, changePassword, "c", p.password, "n", anotherGood).must()
			}},
			{"a change of address, by a reset", verifyEmail, change, func(b *booted, p *person) {
				b.ask(nil, resetPassword, "t", b.resetToken(p), "p", anotherGood).must()
			}},
			{"a change of address, by the link that stops it", verifyEmail, change, func(b *booted, p *person) {
				b.ask(nil, verifyEmail, "t", b.tokenOf(p.email, "/undo-email-change")).must()
			}},
			{"a change of address, after a day", verifyEmail, change, func(b *booted, _ *person) { b.clock.advance(24 * time.Hour) }},
			{"one that stops a change, after 72 hours", verifyEmail, func(b *booted, p *person) string {
				b.changeToken(p, newAddress())
				return b.tokenOf(p.email, "/undo-email-change")
			}, func(b *booted, _ *person) { b.clock.advance(72 * time.Hour) }},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootMailing(t, databaseURL)
				p := b.newPerson("USER")
				token := row.token(b, p)
				row.then(b, p)
				variables := []any{"t", token}
				if row.query == resetPassword {
					variables = append(variables, "p", "a third good password")
				}
				if got := b.ask(nil, row.query, variables...); len(got.codes()) != 1 || !strings.HasSuffix(got.codes()[0], " INVALID_TOKEN") {
					t.Error(got.body)
				}
			})
		}
	})
}

// A change of address that waits in the outbox ends with the password that it was asked for with.
func TestChangeOfAddressThatWaitsEndsWithThePassword(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		b.ask(p, requestChange, "e", "new@example.com", "p", p.password).must()
		b.ask(p, changePassword, "c", p.password, "n", anotherGood).must()
		if got := b.mails("new@example.com"); len(got) != 0 {
			t.Errorf("%q was sent", got[0].Subject)
		}
		if got := b.mails(p.email); len(got) != 3 { // verification, the warning, the notice of the new password
			t.Errorf("%d mails to the old address", len(got))
		}
	})
}

// Somebody registers with another's address and waits. Who has the mailbox gets the account, and the other is out.
func TestProvingAMailboxTakesTheAccountFromWhoeverMadeIt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER") // not the mailbox's owner
		other := b.newDevice(p, true)
		stop := b.changeToken(p, "thief@example.com")
		b.ask(nil, resetPassword, "t", b.resetToken(p), "p", anotherGood).must()
		if b.signedIn(p) || b.signedIn(other.person) {
			t.Error("still signed in")
		}
		wantCodes(t, b.ask(nil, login, "e", p.email, "p", p.password), "login INVALID_CREDENTIALS")
		wantCodes(t, b.ask(nil, verifyEmail, "t", stop), "verifyEmail INVALID_TOKEN")
		wantCodes(t, b.ask(nil, refreshInBody, "t", other.refresh), "refresh INVALID_TOKEN")
	})
}

// Links are made of the configuration, whatever a request says of the host that it was sent to.
func TestLinksLeadToAppURL(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "APP_URL", "https://app.example.com/accounts/", "TRUSTED_PROXIES", "127.0.0.1", "ALLOWED_HOSTS", "evil.example")
		p := b.newPerson("USER")
		body := `{"query": "mutation { requestPasswordReset(email: \"` + p.email + `\") }"}`
		for _, forged := range []http.Header{
			{"X-Forwarded-Host": {"evil.example"}},
			{"X-Forwarded-Proto": {"http"}, "X-Forwarded-Server": {"evil.example"}, "X-Original-Host": {"evil.example"}},
			{"Forwarded": {"host=evil.example"}},
			{"Referer": {"https://evil.example/"}},
			{"Host": {"evil.example"}},
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/graphql", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header, r.Host = forged, forged.Get("Host")
			r.Header.Set("Content-Type", "application/json")
			b.do(r).must()
		}
		got := b.mails(p.email)
		if len(got) != 6 {
			t.Fatalf("%d mails", len(got))
		}
		for _, m := range got {
			if strings.Contains(m.Text+m.HTML, "evil") || !strings.HasPrefix(m.Link, "https://app.example.com/accounts/reset-password?token=") && !strings.HasPrefix(m.Link, "https://app.example.com/accounts/verify-email?token=") {
				t.Errorf("%s leads to %s", m.Subject, m.Link)
			}
		}
	})
}

// What scanners of mail do: they open links, often.
func TestOpeningALinkChangesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		change := b.changeToken(p, "new@example.com")
		tokens := map[string]string{
			"/verify-email": b.tokenOf(p.email, "/verify-email"), "/confirm-email": change,
			"/undo-email-change": b.tokenOf(p.email, "/undo-email-change"), "/reset-password": b.resetToken(p),
		}
		for range 3 {
			for path, token := range tokens {
				for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
					r, err := http.NewRequestWithContext(t.Context(), method, b.url+path+"?token="+token, nil)
					if err != nil {
						t.Fatal(err)
					}
					got := b.do(r)
					if wantStatus := map[bool]int{true: http.StatusMethodNotAllowed, false: http.StatusOK}[method == http.MethodPost]; got.status != wantStatus {
						t.Errorf("%s %s: %d", method, path, got.status)
					}
					if strings.Contains(got.body, token) {
						t.Errorf("%s repeats the token", path)
					}
				}
			}
		}
		b.ask(nil, verifyEmail, "t", tokens["/verify-email"], "p", p.password).must()
		b.ask(nil, verifyEmail, "t", tokens["/confirm-email"], "p", p.password).must()
		wantCodes(t, b.ask(nil, resetPassword, "t", tokens["/reset-password"], "p", anotherGood), "resetPassword INVALID_TOKEN") // ended by the change
		b.ask(nil, verifyEmail, "t", tokens["/undo-email-change"]).must()
		for path, token := range tokens {
			if strings.Contains(b.log.String(), token) {
				t.Errorf("the log has the token of %s", path)
			}
		}
	})
}

// Where addresses must be verified, a registration tells nobody whether there was an account; its owner is told.
func TestRegistrationWithVerifiedAddresses(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		ada := newAddress()
		first := b.ask(nil, registerAs, "e", ada)
		wantCodes(t, first, "register EMAIL_NOT_VERIFIED")
		wantCodes(t, b.ask(nil, login, "e", ada, "p", goodPassword), "login EMAIL_NOT_VERIFIED")
		wantCodes(t, b.ask(nil, login, "e", ada, "p", "wrong password"), "login INVALID_CREDENTIALS")
		for name, email := range map[string]string{"taken and not verified": ada, "taken, in capitals": strings.ToUpper(ada), "new": newAddress()} {
			if got := b.ask(nil, registerAs, "e", email); !sameAnswer(got, first) {
				t.Errorf("%s: %s %v\nwant %s %v", name, got.body, got.header, first.body, first.header)
			}
		}
		// Three links to verify (the registration's, and the login's once more) would do; the last one does.
		b.ask(nil, verifyEmail, "t", b.tokenOf(ada, "/verify-email"), "p", goodPassword).must()
		b.ask(nil, login, "e", ada, "p", goodPassword).must()

		// Whoever owns the address learns of a registration, and may choose a new password.
		wantCodes(t, b.ask(nil, registerAs, "e", ada), "register EMAIL_NOT_VERIFIED")
		b.ask(nil, resetPassword, "t", b.tokenOf(ada, "/reset-password"), "p", anotherGood).must()
		b.ask(nil, login, "e", ada, "p", anotherGood).must()

		// Wrong values are told as ever: they say nothing about anybody.
		wantCodes(t, b.ask(nil, `mutation { register(input: {name: "", email: "x", password: "short"}) { tokenType } }`), "register BAD_USER_INPUT")
	})
}

// Whoever registers with an address that is not free waits for a mail too, whyever it is not. The answer takes as many
// statements as for a new one.
func TestRegistrationWithAnAddressThatIsNotFree(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		admin := b.made("ADMIN")
		work := func(email string) uint64 {
			before := b.store.Queries()
			wantCodes(t, b.ask(nil, registerAs, "e", email), "register EMAIL_NOT_VERIFIED")
			return b.store.Queries() - before
		}
		proven, shut, moved := b.made("USER"), b.made("USER"), b.made("USER")
		unproven := newAddress()
		of := work(unproven)
		b.ask(admin, `mutation($u: ID!) { disableUser(userId: $u) { id } }`, "u", shut.id).must()
		b.ask(nil, verifyEmail, "t", b.changeToken(moved, newAddress()), "p", moved.password).must()
		for _, row := range []struct {
			name, email, subject string
		}{
			{"of an account", proven.email, "You have an account at Example Accounts already"},
			{"of one that was not verified", unproven, "Confirm your e-mail address for Example Accounts"},
			{"of a shut account", shut.email, "You cannot register at Example Accounts with this e-mail address"},
			{"that was an account's until now", moved.email, "You cannot register at Example Accounts with this e-mail address"},
		} {
			if got := work(row.email); got != of && row.email != moved.email { // what was inserted there is taken out
				t.Errorf("an address %s takes %d statements, a new one %d", row.name, got, of)
			}
			if got := b.mails(row.email); len(got) == 0 || got[0].Subject != row.subject {
				t.Errorf("an address %s: none of %d mails says so", row.name, len(got))
			}
		}
		if got := b.audited(admin, proven); !slices.Equal(got, []string{"already registered", "sign-in", "registered USER"}) {
			t.Errorf("the audit log has %q", got)
		}
		if got := b.ask(admin, `query($e: String!) { users(search: $e) { edges { node { id } } } }`, "e", moved.email).must(); len(got.at("users.edges").([]any)) != 0 {
			t.Error("an account was made: " + got.body)
		}
	})
}

// made is somebody whose account was made at the command line, and who has signed in.
func (b *booted) made(role string) *person {
	b.t.Helper()
	p := &person{email: newAddress(), password: goodPassword}
	u, err := b.accounts.CreateUser(b.t.Context(), account.Registration{Name: "Somebody", Email: p.email, Password: p.password}, role)
	if err != nil {
		b.t.Fatal(err)
	}
	p.id = u.ID
	p.token = b.ask(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { accessToken } }`,
		"e", p.email, "p", p.password).must().text("login.accessToken")
	return p
}

// Of many registrations at once one makes the account, and none says so.
func TestManyRegistrationsAtOnceWithVerifiedAddresses(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		const n = 50
		answers := make(chan *answer, n)
		for range n {
			go func() { answers <- b.ask(nil, registerAs, "e", email) }()
		}
		for range n {
			wantCodes(t, <-answers, "register EMAIL_NOT_VERIFIED")
		}
		if rows := countRows(t, databaseURL, "users", "email = ?", email); rows != 1 {
			t.Errorf("%d accounts, want 1", rows)
		}
		if links := b.linksTo(email, "/verify-email"); len(links) != n { // of its own registration each
			t.Errorf("%d links to verify the address, want %d", len(links), n)
		}
	})
}

// Whoever runs the server vouches for those whom they make.
func TestAccountsOfTheCommandLineAreVerified(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		ada := newAddress()
		if _, err := b.accounts.CreateUser(t.Context(), account.Registration{Name: "Ada", Email: ada, Password: goodPassword}, "ADMIN"); err != nil {
			t.Fatal(err)
		}
		b.ask(nil, login, "e", ada, "p", goodPassword).must()
	})
}

// Somebody asks for mails to a person for hours, from everywhere. The person gets a few, and warnings always.
func TestMailsToOnePersonAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		p := b.newPerson("USER")
		b.clock.stop()
		b.deliver()
		before := len(b.arrived())
		for i := range 30 {
			b.askWith(http.Header{"X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", i)}}, requestReset, "e", p.email).must()
		}
		b.deliver()
		if got := len(b.arrived()) - before; got != 10 {
			t.Errorf("%d mails, want 10", got)
		}
		b.ask(p, changePassword, "c", p.password, "n", anotherGood).must()
		b.deliver()
		if got := len(b.arrived()) - before; got != 11 {
			t.Errorf("%d mails, want the warning too", got)
		}
		b.clock.advance(time.Hour)
		b.ask(nil, requestReset, "e", p.email).must()
		b.deliver()
		if got := len(b.arrived()) - before; got != 12 {
			t.Errorf("%d mails, want another one after an hour", got)
		}
	})
}

// Others can have notices sent to a person, but not so many that there is none left of those that the person needs.
func TestNoticesDoNotUseUpTheLinksToRecover(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		p, thief := b.newPerson("USER"), b.newPerson("USER")
		b.clock.stop()
		b.deliver()
		for i := range 15 {
			from := http.Header{"X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", i)}, "Authorization": {"Bearer " + thief.token}}
			b.askWith(from, requestChange, "e", p.email, "p", thief.password).must()
			b.deliver()
		}
		b.ask(nil, resetPassword, "t", b.resetToken(p), "p", anotherGood).must()
	})
}
