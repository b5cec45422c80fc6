package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/mail"
)

const (
	disownEmail = `mutation($t: String!) { disownEmail(token: $t) }`
	applyWith   = `mutation($n: String! = "X", $e: String!, $p: String!) { register(input: {name: $n, email: $e, password: $p}) { tokenType } }`
	strangers   = "the stranger's own password"
	owners      = "what the owner has chosen"
)

// linksTo are the tokens of the mails to an address that lead to a path, the oldest first.
func (b *booted) linksTo(to, path string) (tokens []string) {
	b.t.Helper()
	for _, m := range b.mails(to) {
		if _, token, ok := strings.Cut(m.Link, path+"?token="); ok {
			tokens = append(tokens, token)
		}
	}
	slices.Reverse(tokens)
	return tokens
}

// applies registers where no session is opened.
func (b *booted) applies(email, password string) {
	b.t.Helper()
	if got := b.ask(nil, applyWith, "e", email, "p", password).codes(); !slices.Equal(got, []string{"register EMAIL_NOT_VERIFIED"}) {
		b.t.Fatalf("got %q", got)
	}
	b.deliver() // each mail by itself, so that their order is known
}

func (b *booted) accepts(email, password string) bool {
	b.t.Helper()
	return len(b.ask(nil, login, "e", email, "p", password).errors) == 0
}

// A stranger has made an account with the victim's address and is signed in. The victim presses the link.
func TestVerificationLinkAloneDoesNotConfirmAStrangersAccount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		stranger, victim := b.newPerson("USER"), b.newPerson("USER")
		token := b.tokenOf(stranger.email, "/verify-email")
		for name, got := range map[string]*answer{
			"nothing else":            b.ask(nil, verifyEmail, "t", token),
			"another account's":       b.ask(victim, verifyEmail, "t", token),
			"a wrong password":        b.ask(nil, verifyEmail, "t", token, "p", "what the victim would choose"),
			"an empty password":       b.ask(nil, verifyEmail, "t", token, "p", ""),
			"another account's, both": b.ask(victim, verifyEmail, "t", token, "p", "what the victim would choose"),
		} {
			if !slices.Equal(got.codes(), []string{"verifyEmail PROOF_REQUIRED"}) {
				t.Errorf("%s: %s", name, got.body)
			}
		}
		wantCodes(t, b.ask(nil, verifyEmail, "t", token, "p", strings.Repeat("x", 1025)), "verifyEmail BAD_USER_INPUT")
		if got := b.ask(stranger, `{ me { emailVerified } sessions { id } }`).must(); got.at("me.emailVerified") != false || got.at("sessions.1") != nil {
			t.Errorf("something has changed: %s", got.body)
		}
		b.ask(nil, verifyEmail, "t", token, "p", stranger.password).must() // the link is still good
	})
}

func TestVerificationTakesASessionOrThePassword(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "SESSION_RECHECK", "1m")
		for _, row := range []struct {
			name  string
			use   func(w *browser, p *person, token string) *answer
			codes []string
		}{
			{"the access token", func(_ *browser, p *person, token string) *answer { return b.ask(p, verifyEmail, "t", token) }, []string{}},
			{"the refresh cookie", func(w *browser, _ *person, token string) *answer { return w.asks(verifyEmail, "t", token) }, []string{}},
			{"the password", func(_ *browser, p *person, token string) *answer {
				return b.ask(nil, verifyEmail, "t", token, "p", p.password)
			}, []string{}},
			{"the cookie beside a wrong password", func(w *browser, _ *person, token string) *answer {
				return w.asks(verifyEmail, "t", token, "p", wrongPassword)
			}, []string{}},
			{"an access token that has expired", func(_ *browser, p *person, token string) *answer {
				b.clock.advance(time.Hour)
				return b.ask(p, verifyEmail, "t", token)
			}, []string{"verifyEmail PROOF_REQUIRED"}},
			{"a session that has ended", func(w *browser, p *person, token string) *answer {
				if !b.signedIn(p) { // which this server trusts for a while
					t.Error("not signed in")
				}
				execute(t, databaseURL, "DELETE FROM sessions") // by another server
				if got := b.ask(p, verifyEmail, "t", token); len(got.errors) == 0 {
					return got
				}
				return w.asks(verifyEmail, "t", token)
			}, []string{"verifyEmail PROOF_REQUIRED"}},
			{"a session that the request ends first", func(w *browser, p *person, token string) *answer {
				return w.asks(`mutation($t: String!) { logoutEverywhere: logout verifyEmail(token: $t) }`, "t", token)
			}, []string{"verifyEmail PROOF_REQUIRED"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				w := b.newBrowser(home)
				p := w.registers()
				p.token = w.signsInAgain(p)
				wantCodes(t, row.use(w, p, b.tokenOf(p.email, "/verify-email")), row.codes...)
			})
		}
	})
}

// signsInAgain returns an access token.
func (w *browser) signsInAgain(p *person) string {
	w.t.Helper()
	return w.asks(`mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { accessToken } }`,
		"e", p.email, "p", p.password).must().text("login.accessToken")
}

// Guesses at a link count with those at the login, by account; a request without a password is no guess.
func TestGuessesAtALinkAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		b.clock.stop()
		p := b.registered(home)
		token := b.tokenOf(p.email, "/verify-email")
		use := func(ip string, password any) *answer {
			return b.askWith(from(ip), verifyEmail, "t", token, "p", password)
		}
		for range 10 {
			wantCodes(t, use(elsewhere, nil), "verifyEmail PROOF_REQUIRED")
		}
		for range 3 {
			wantCodes(t, use(elsewhere, wrongPassword), "verifyEmail PROOF_REQUIRED")
		}
		b.fail(2, elsewhere, p.email)
		wantLimited(t, use(elsewhere, p.password), "verifyEmail")
		wantLimited(t, b.login(elsewhere, p.email, p.password), "login")
		for i := range 17 {
			wantCodes(t, use(fmt.Sprintf("203.0.113.%d", i), wrongPassword), "verifyEmail PROOF_REQUIRED")
		}
		wantLimited(t, use("203.0.113.99", p.password), "verifyEmail")
		for range 10 { // of no account, so that there is nothing to guess
			wantCodes(t, b.askWith(from(elsewhere), verifyEmail, "t", "x", "p", wrongPassword), "verifyEmail INVALID_TOKEN")
		}
		use(home, p.password).must() // whatever others try elsewhere
	})
}

func TestWrongPasswordAtALinkIsAudited(t *testing.T) {
	t.Parallel()
	b := bootMailing(t, dbtest.SQLite(t))
	admin, p := b.newPerson("ADMIN"), b.newPerson("USER")
	token := b.tokenOf(p.email, "/verify-email")
	b.ask(nil, verifyEmail, "t", token)
	b.ask(nil, verifyEmail, "t", token, "p", wrongPassword)
	if got := b.audited(admin, p); !slices.Equal(got, []string{"email verification failed password", "registered USER"}) {
		t.Errorf("the audit log has %q", got)
	}
}

// The mailbox's owner says that they did not make the account: the stranger is out, and only who reads the mailbox is in.
func TestDisownedAccountIsTheMailboxOwners(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		stranger := b.newPerson("USER")
		phone := b.newDevice(stranger, true)
		b.ask(stranger, requestChange, "e", newAddress(), "p", stranger.password).must() // waits in the outbox
		token := b.tokenOf(stranger.email, "/verify-email")
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, b.url+"/verify-email?token="+token, nil)
			if err != nil {
				t.Fatal(err)
			}
			b.do(r)
		}
		wantCodes(t, b.ask(nil, verifyEmail, "t", token), "verifyEmail PROOF_REQUIRED")
		if !b.signedIn(stranger) || !b.accepts(stranger.email, stranger.password) {
			t.Error("something else than disownEmail has ended the session or the password")
		}
		if got := b.ask(nil, disownEmail, "t", token).must(); got.at("disownEmail") != true {
			t.Error(got.body)
		}
		if b.signedIn(stranger) || b.signedIn(phone.person) {
			t.Error("still signed in")
		}
		wantCodes(t, b.ask(nil, refreshInBody, "t", phone.refresh), "refresh INVALID_TOKEN")
		if b.accepts(stranger.email, stranger.password) || b.accepts(stranger.email, "") {
			t.Error("the password is still good")
		}
		for _, query := range []string{verifyEmail, disownEmail} {
			if got := b.ask(nil, query, "t", token, "p", stranger.password); !strings.Contains(fmt.Sprint(got.codes()), "INVALID_TOKEN") && !strings.Contains(got.body, "GRAPHQL_VALIDATION_FAILED") {
				t.Errorf("the link works once more: %s", got.body)
			}
		}
		b.ask(nil, resetPassword, "t", b.tokenOf(stranger.email, "/reset-password"), "p", owners).must()
		if got := b.ask(nil, login, "e", stranger.email, "p", owners).must(); got.at("login.user.id") != stranger.id || got.at("login.user.emailVerified") != true {
			t.Error(got.body)
		}
	})
}

// disownEmail takes no account from an owner who has shown that the mailbox is theirs, nor the account that asked for a
// change of address.
func TestDisowningHarmsNoVerifiedAccount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		p := b.newPerson("USER")
		to := newAddress()
		change, reset := b.changeToken(p, to), b.resetToken(p)
		undo := b.tokenOf(p.email, "/undo-email-change")
		for name, token := range map[string]string{"reset": reset, "undo": undo, "nothing": ""} {
			if got := b.ask(nil, disownEmail, "t", token); !slices.Equal(got.codes(), []string{"disownEmail INVALID_TOKEN"}) {
				t.Errorf("%s: %s", name, got.body)
			}
		}
		verify := b.tokenOf(p.email, "/verify-email")
		execute(t, databaseURL, "UPDATE users SET email_verified_at = created_at") // with the link still there
		wantCodes(t, b.ask(nil, disownEmail, "t", verify), "disownEmail INVALID_TOKEN")
		b.ask(nil, disownEmail, "t", change).must()
		if !b.signedIn(p) || !b.accepts(p.email, p.password) {
			t.Error("the account that asked for the change is not as it was")
		}
		wantCodes(t, b.ask(p, verifyEmail, "t", change), "verifyEmail INVALID_TOKEN")
		if got := b.ask(p, `{ me { email } }`).must(); got.at("me.email") != p.email {
			t.Error(got.body)
		}
	})
}

// Mallory has an account and changes its address to Vera's. Vera presses the link.
func TestChangeOfAddressTakesProofOfTheAccountThatAsked(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL)
		mallory, other := b.newPerson("USER"), b.newPerson("USER")
		vera := newAddress()
		token := b.changeToken(mallory, vera)
		wantCodes(t, b.ask(nil, verifyEmail, "t", token), "verifyEmail PROOF_REQUIRED")
		wantCodes(t, b.ask(other, verifyEmail, "t", token, "p", other.password+"!"), "verifyEmail PROOF_REQUIRED")
		b.ask(nil, requestReset, "e", vera).must() // so that Vera cannot come to fill Mallory's account
		if links := b.linksTo(vera, "/reset-password"); len(links) != 0 {
			t.Error("the account has the address")
		}
		m := b.mails(vera)[0]
		local, _, _ := strings.Cut(mallory.email, "@")
		if masked := local[:1] + "•••@e•••.com"; !strings.Contains(m.Text, masked) || !strings.Contains(m.HTML, masked) || strings.Contains(m.Text+m.HTML, local) {
			t.Errorf("the mail does not name the account masked: %s", m.Text)
		}
		b.ask(mallory, verifyEmail, "t", token).must()
		if got := b.ask(mallory, `{ me { email emailVerified } }`).must(); got.at("me.email") != vera || got.at("me.emailVerified") != true {
			t.Error(got.body)
		}
	})
}

// The stranger registers first, the victim after that: each link confirms its own registration, and with its own password.
func TestRegistrationTakesThePlaceOfOneThatWasNeverUsed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		b.applies(email, strangers)
		b.applies(strings.ToUpper(email[:1])+email[1:], owners)
		wantCodes(t, b.ask(nil, login, "e", email, "p", strangers), "login EMAIL_NOT_VERIFIED") // has a fresh link mailed
		b.applies(email, strangers+" again")
		links := b.linksTo(email, "/verify-email")
		own := b.linksTo(strings.ToUpper(email[:1])+email[1:], "/verify-email")
		if len(links) != 3 || len(own) != 1 {
			t.Fatalf("%d and %d links", len(links), len(own))
		}
		for i, token := range links {
			for _, password := range []any{nil, "", owners} {
				if got := b.ask(nil, verifyEmail, "t", token, "p", password); !slices.Equal(got.codes(), []string{"verifyEmail PROOF_REQUIRED"}) {
					t.Errorf("the stranger's link %d with %v: %s", i, password, got.body)
				}
			}
		}
		wantCodes(t, b.ask(nil, verifyEmail, "t", own[0], "p", strangers), "verifyEmail PROOF_REQUIRED")
		b.ask(nil, verifyEmail, "t", own[0], "p", owners).must()
		if b.accepts(email, strangers) || b.accepts(email, strangers+" again") {
			t.Error("a stranger's password is good")
		}
		got := b.ask(nil, login, "e", email, "p", owners).must()
		if got.at("login.user.emailVerified") != true || got.text("login.user.email") == email {
			t.Errorf("not the owner's address as typed: %s", got.body)
		}
		for i, token := range links { // there was a session
			for _, password := range []string{strangers, strangers + " again", owners} {
				if got := b.ask(nil, verifyEmail, "t", token, "p", password); len(got.errors) == 0 {
					t.Errorf("link %d is good for %q", i, password)
				}
				if !b.accepts(email, owners) {
					t.Fatalf("link %d with %q has taken the account", i, password)
				}
			}
		}
		if n := countRows(t, databaseURL, "users", "email_key = ?", email); n != 1 {
			t.Errorf("%d accounts", n)
		}
	})
}

// Each registration is confirmed by its own link, and until the first sign-in the last one that was confirmed counts.
func TestLastRegistrationConfirmedWithProofWins(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		passwords := []string{strangers, owners, "a third good password"}
		for _, password := range passwords {
			b.applies(email, password)
		}
		links := b.linksTo(email, "/verify-email")
		for _, i := range []int{1, 0, 2} {
			b.ask(nil, verifyEmail, "t", links[i], "p", passwords[i]).must()
		}
		if b.accepts(email, passwords[0]) || b.accepts(email, passwords[1]) || !b.accepts(email, passwords[2]) {
			t.Error("not the last one that was confirmed")
		}
	})
}

// An account that was verified, has another role, was signed in to or is from before the upgrade keeps its place.
func TestRegistrationTakesNoOtherAccountsPlace(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name string
			make func(b *booted, email string)
		}{
			{"verified", func(b *booted, email string) {
				b.ask(nil, verifyEmail, "t", b.linksTo(email, "/verify-email")[0], "p", owners).must()
			}},
			{"of another role", func(b *booted, email string) {
				if _, err := b.accounts.AsOperator().SetRoleByEmail(t.Context(), email, "STAFF"); err != nil {
					t.Fatal(err)
				}
			}},
			{"reset, and not signed in to", func(b *booted, email string) {
				b.ask(nil, requestReset, "e", email).must()
				b.ask(nil, resetPassword, "t", b.tokenOf(email, "/reset-password"), "p", owners).must()
			}},
			{"from before the upgrade", func(b *booted, email string) { execute(t, databaseURL, "UPDATE users SET unused_since = NULL") }},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
				email := newAddress()
				b.applies(email, owners)
				b.applies(email, strangers) // before: waits
				waits := b.linksTo(email, "/verify-email")[1]
				row.make(b, email)
				b.applies(email, strangers)
				if got := b.linksTo(email, "/verify-email"); len(got) != 2 {
					t.Errorf("%d links", len(got))
				}
				if !slices.ContainsFunc(b.mails(email), func(m mail.Received) bool { return strings.Contains(m.Subject, "already") }) {
					t.Error("the owner is not told")
				}
				if row.name == "verified" {
					return // until a session is opened, the last confirmation counts
				}
				wantCodes(t, b.ask(nil, verifyEmail, "t", waits, "p", strangers), "verifyEmail INVALID_TOKEN")
			})
		}
	})
}

// The owner, who reads the mailbox, disowns a registration: no registration of before is good for anything.
func TestDisowningEndsAllRegistrationsThatWait(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		b.applies(email, strangers)
		b.applies(email, strangers+" again")
		links := b.linksTo(email, "/verify-email")
		wantCodes(t, b.ask(nil, applyWith, "e", email, "p", strangers+" once more"), "register EMAIL_NOT_VERIFIED") // waits in the outbox
		b.ask(nil, disownEmail, "t", links[1]).must()
		links = append(links, b.linksTo(email, "/verify-email")[2:]...)
		for i, password := range []string{strangers, strangers + " again", strangers + " once more"} {
			if b.accepts(email, password) {
				t.Errorf("%q is accepted", password)
			}
			if i < len(links) {
				wantCodes(t, b.ask(nil, verifyEmail, "t", links[i], "p", password), "verifyEmail INVALID_TOKEN")
			}
		}
		b.ask(nil, resetPassword, "t", b.tokenOf(email, "/reset-password"), "p", owners).must()
		b.ask(nil, login, "e", email, "p", owners).must()
	})
}

// One link, many at once: one wins, and no account is left half made.
func TestOneRegistrationConfirmedByManyAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		b.applies(email, owners)
		token := b.tokenOf(email, "/verify-email")
		answers := make(chan *answer, 20)
		for range cap(answers) {
			go func() { answers <- b.ask(nil, verifyEmail, "t", token, "p", owners) }()
		}
		won := 0
		for range cap(answers) {
			switch got := <-answers; {
			case len(got.errors) == 0:
				won++
			case !slices.Equal(got.codes(), []string{"verifyEmail INVALID_TOKEN"}):
				t.Error(got.body)
			}
		}
		if won != 1 || !b.accepts(email, owners) {
			t.Errorf("%d won", won)
		}
	})
}

func TestUnusedAccountsAreSwept(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true", "UNVERIFIED_ACCOUNT_TTL", "200h")
		unused, again, verified, used, old, promoted := newAddress(), newAddress(), newAddress(), newAddress(), newAddress(), newAddress()
		for _, email := range []string{unused, again, verified, used, old, promoted} {
			b.applies(email, owners)
		}
		for _, email := range []string{verified, used} {
			b.ask(nil, verifyEmail, "t", b.tokenOf(email, "/verify-email"), "p", owners).must()
		}
		b.ask(nil, login, "e", used, "p", owners).must()
		execute(t, databaseURL, "UPDATE users SET email_verified_at = NULL WHERE email = '"+used+"'") // as after a change of REQUIRE_VERIFIED_EMAIL
		execute(t, databaseURL, "UPDATE users SET unused_since = NULL WHERE email = '"+old+"'")
		if _, err := b.accounts.AsOperator().SetRoleByEmail(t.Context(), promoted, "STAFF"); err != nil {
			t.Fatal(err)
		}
		sweep := func(want ...string) {
			t.Helper()
			b.sweep(t.Context())
			var left []string
			for _, email := range []string{unused, again, verified, used, old, promoted} {
				if countRows(t, databaseURL, "users", "email = ?", email) == 1 {
					left = append(left, email)
				}
			}
			if !slices.Equal(left, want) {
				t.Errorf("left %q, want %q", left, want)
			}
		}
		b.clock.advance(199 * time.Hour)
		b.applies(again, strangers)
		sweep(unused, again, verified, used, old, promoted)
		b.clock.advance(time.Hour)
		sweep(again, verified, used, old, promoted)
		b.ask(nil, verifyEmail, "t", b.tokenOf(again, "/verify-email"), "p", strangers).must()
		b.applies(unused, owners) // the address is free again
		b.clock.advance(200 * time.Hour)
		sweep(again, verified, used, old, promoted)
		for _, table := range []string{"tickets", "pending_registrations"} {
			if n := countRows(t, databaseURL, table, "expires_at > ?", b.store.Now()); n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
	})
}

// A server of an older version, which runs beside this one or instead of it for a while, opens a session and does not note
// that the account is used.
func TestAccountThatAnOlderVersionSignedInToIsNotSwept(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true", "UNVERIFIED_ACCOUNT_TTL", "1h")
		email := newAddress()
		b.applies(email, owners)
		b.ask(nil, verifyEmail, "t", b.tokenOf(email, "/verify-email"), "p", owners).must()
		b.ask(nil, login, "e", email, "p", owners).must()
		execute(t, databaseURL, "UPDATE users SET email_verified_at = NULL, unused_since = created_at")
		b.clock.advance(2 * time.Hour)
		b.sweep(t.Context())
		if n := countRows(t, databaseURL, "users", "email = ?", email); n != 1 {
			t.Error("the account is gone")
		}
	})
}

func TestUnusedAccountsStayWhereNoVerifiedAddressIsRequired(t *testing.T) {
	t.Parallel()
	b := bootMailing(t, dbtest.SQLite(t))
	p := b.newPerson("USER")
	b.ask(p, `mutation { logoutEverywhere }`).must()
	b.clock.advance(10_000 * time.Hour)
	b.sweep(t.Context())
	b.ask(nil, login, "e", p.email, "p", p.password).must()
}

// A registration that is confirmed while the account expires is one or the other.
func TestSweepAndConfirmationAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootMailing(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true", "UNVERIFIED_ACCOUNT_TTL", "1h")
		for range 10 {
			email := newAddress()
			b.applies(email, owners)
			token := b.tokenOf(email, "/verify-email")
			b.clock.advance(time.Hour)
			var both sync.WaitGroup
			var got *answer
			both.Go(func() { b.sweep(t.Context()) })
			both.Go(func() { got = b.ask(nil, verifyEmail, "t", token, "p", owners) })
			both.Wait()
			if confirmed := len(got.errors) == 0; confirmed != b.accepts(email, owners) {
				t.Errorf("%s, and the sign-in says otherwise", got.body)
			}
		}
	})
}

// countRows counts the rows of a table.
func countRows(t *testing.T, databaseURL, table, condition string, args ...any) (rows int) {
	t.Helper()
	db := openDatabase(t, databaseURL)
	if err := db.QueryRowContext(context.WithoutCancel(t.Context()), "SELECT COUNT(*) FROM "+table+" WHERE "+condition, args...).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}
