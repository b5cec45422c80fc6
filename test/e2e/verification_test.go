package e2e

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
	"fieldgate/servertest"
)

const (
	disownEmail             = `mutation($t: String!) { disownEmail(token: $t) }`
	registerUnverifiedQuery = `mutation($n: String! = "X", $e: String!, $p: String!) { register(input: {name: $n, email: $e, password: $p}) { tokenType } }`
	attackerPassword        = "the attacker's own password"
	ownerPassword           = "the password of the owner"
)

// tokensOf returns the tokens of all mails to an address whose link has this path, oldest first.
func (b *testServer) tokensOf(to, path string) (tokens []string) {
	b.t.Helper()
	for _, m := range b.mailsTo(to) {
		if _, token, ok := strings.Cut(m.Link, path+"?token="); ok {
			tokens = append(tokens, token)
		}
	}
	slices.Reverse(tokens)
	return tokens
}

// registerUnverified registers on a server that requires verification, and delivers the mail so
// that mails keep their order.
func (b *testServer) registerUnverified(email, password string) {
	b.t.Helper()
	if got := b.Query(nil, registerUnverifiedQuery, "e", email, "p", password).Codes(); !slices.Equal(got, []string{"register EMAIL_NOT_VERIFIED"}) {
		b.t.Fatalf("got %q", got)
	}
	b.deliver()
}

func (b *testServer) canSignIn(email, password string) bool {
	b.t.Helper()
	return len(b.Query(nil, login, "e", email, "p", password).Errors) == 0
}

// TestVerificationLinkAloneConfirmsNothing checks that a victim who opens the link of an account
// that an attacker registered with the victim's address does not confirm it.
func TestVerificationLinkAloneConfirmsNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		attacker, victim := b.NewUser("USER"), b.NewUser("USER")
		token := b.tokenOf(attacker.Email, "/verify-email")
		for name, got := range map[string]*servertest.Response{
			"no proof":          b.Query(nil, verifyEmail, "t", token),
			"another session":   b.Query(victim, verifyEmail, "t", token),
			"a wrong password":  b.Query(nil, verifyEmail, "t", token, "p", "what the victim would choose"),
			"an empty password": b.Query(nil, verifyEmail, "t", token, "p", ""),
			"another user's session and a wrong password": b.Query(victim, verifyEmail, "t", token, "p", "what the victim would choose"),
		} {
			if !slices.Equal(got.Codes(), []string{"verifyEmail PROOF_REQUIRED"}) {
				t.Errorf("%s: %s", name, got.Body)
			}
		}
		wantCodes(t, b.Query(nil, verifyEmail, "t", token, "p", strings.Repeat("x", 1025)), "verifyEmail BAD_USER_INPUT")
		if got := b.Query(attacker, `{ me { emailVerified } sessions { id } }`).Must(); got.At("me.emailVerified") != false || got.At("sessions.1") != nil {
			t.Errorf("the attempts changed the account: %s", got.Body)
		}
		// The link is still valid.
		b.Query(nil, verifyEmail, "t", token, "p", attacker.Password).Must()
	})
}

func TestVerificationRequiresASessionOrThePassword(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "SESSION_RECHECK", "1m")
		for _, row := range []struct {
			name  string
			use   func(w *browser, p *servertest.User, token string) *servertest.Response
			codes []string
		}{
			{"the access token", func(_ *browser, p *servertest.User, token string) *servertest.Response {
				return b.Query(p, verifyEmail, "t", token)
			}, []string{}},
			{"the refresh cookie", func(w *browser, _ *servertest.User, token string) *servertest.Response {
				return w.send(verifyEmail, "t", token)
			}, []string{}},
			{"the password", func(_ *browser, p *servertest.User, token string) *servertest.Response {
				return b.Query(nil, verifyEmail, "t", token, "p", p.Password)
			}, []string{}},
			{"the cookie with a wrong password", func(w *browser, _ *servertest.User, token string) *servertest.Response {
				return w.send(verifyEmail, "t", token, "p", wrongPassword)
			}, []string{}},
			{"an expired access token", func(_ *browser, p *servertest.User, token string) *servertest.Response {
				b.Clock.Advance(time.Hour)
				return b.Query(p, verifyEmail, "t", token)
			}, []string{"verifyEmail PROOF_REQUIRED"}},
			{"a revoked session", func(w *browser, p *servertest.User, token string) *servertest.Response {
				if !b.isSignedIn(p) { // caches the session
					t.Error("not signed in")
				}
				execSQL(t, databaseURL, "DELETE FROM sessions") // as another server would
				if got := b.Query(p, verifyEmail, "t", token); len(got.Errors) == 0 {
					return got
				}
				return w.send(verifyEmail, "t", token)
			}, []string{"verifyEmail PROOF_REQUIRED"}},
			{"a session that the same request revokes first", func(w *browser, p *servertest.User, token string) *servertest.Response {
				return w.send(`mutation($t: String!) { logoutEverywhere: logout verifyEmail(token: $t) }`, "t", token)
			}, []string{"verifyEmail PROOF_REQUIRED"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				w := b.newBrowser(homeIP)
				p := w.register()
				p.Token = w.signInForToken(p)
				wantCodes(t, row.use(w, p, b.tokenOf(p.Email, "/verify-email")), row.codes...)
			})
		}
	})
}

// signInForToken signs in again and returns an access token.
func (w *browser) signInForToken(p *servertest.User) string {
	w.t.Helper()
	return w.send(`mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { accessToken } }`,
		"e", p.Email, "p", p.Password).Must().Text("login.accessToken")
}

// TestPasswordGuessesAtALinkAreLimited checks that guesses at a link share the account's limits
// with login, and that requests without a password do not count.
func TestPasswordGuessesAtALinkAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		b.Clock.Stop()
		p := b.registerFrom(homeIP)
		token := b.tokenOf(p.Email, "/verify-email")
		use := func(ip string, password any) *servertest.Response {
			return b.QueryWith(fromIP(ip), verifyEmail, "t", token, "p", password)
		}
		for range 10 {
			wantCodes(t, use(otherIP, nil), "verifyEmail PROOF_REQUIRED")
		}
		for range 3 {
			wantCodes(t, use(otherIP, wrongPassword), "verifyEmail PROOF_REQUIRED")
		}
		b.failLogins(2, otherIP, p.Email)
		wantRateLimited(t, use(otherIP, p.Password), "verifyEmail")
		wantRateLimited(t, b.login(otherIP, p.Email, p.Password), "login")
		for i := range 17 {
			wantCodes(t, use(fmt.Sprintf("203.0.113.%d", i), wrongPassword), "verifyEmail PROOF_REQUIRED")
		}
		wantRateLimited(t, use("203.0.113.99", p.Password), "verifyEmail")
		for range 10 { // an unknown token has no account to guess at
			wantCodes(t, b.QueryWith(fromIP(otherIP), verifyEmail, "t", "x", "p", wrongPassword), "verifyEmail INVALID_TOKEN")
		}
		use(homeIP, p.Password).Must() // homeIP is trusted
	})
}

func TestWrongPasswordAtALinkIsAudited(t *testing.T) {
	t.Parallel()
	b := bootWithSMTP(t, dbtest.SQLite(t))
	admin, p := b.NewUser("ADMIN"), b.NewUser("USER")
	token := b.tokenOf(p.Email, "/verify-email")
	b.Query(nil, verifyEmail, "t", token)
	b.Query(nil, verifyEmail, "t", token, "p", wrongPassword)
	if got := b.auditEvents(admin, p); !slices.Equal(got, []string{"email verification failed password", "registered USER"}) {
		t.Errorf("the audit log has the events %q", got)
	}
}

// TestDisownEmailRemovesTheStrangersAccess checks that disownEmail removes the attacker's sessions
// and password, and that only a reset by mail gives access to the account afterwards.
func TestDisownEmailRemovesTheStrangersAccess(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		attacker := b.NewUser("USER")
		phone := b.newDevice(attacker, true)
		// Queued in the outbox.
		b.Query(attacker, requestChange, "e", newAddress(), "p", attacker.Password).Must()
		token := b.tokenOf(attacker.Email, "/verify-email")
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, b.URL+"/verify-email?token="+token, nil)
			if err != nil {
				t.Fatal(err)
			}
			b.Do(r)
		}
		wantCodes(t, b.Query(nil, verifyEmail, "t", token), "verifyEmail PROOF_REQUIRED")
		if !b.isSignedIn(attacker) || !b.canSignIn(attacker.Email, attacker.Password) {
			t.Error("the session or the password is invalid before disownEmail")
		}
		if got := b.Query(nil, disownEmail, "t", token).Must(); got.At("disownEmail") != true {
			t.Error(got.Body)
		}
		if b.isSignedIn(attacker) || b.isSignedIn(phone.User) {
			t.Error("a session of the attacker is still valid")
		}
		wantCodes(t, b.Query(nil, refreshInBody, "t", phone.refresh), "refresh INVALID_TOKEN")
		if b.canSignIn(attacker.Email, attacker.Password) || b.canSignIn(attacker.Email, "") {
			t.Error("the attacker's password still works")
		}
		for _, query := range []string{verifyEmail, disownEmail} {
			if got := b.Query(nil, query, "t", token, "p", attacker.Password); !strings.Contains(fmt.Sprint(got.Codes()), "INVALID_TOKEN") && !strings.Contains(got.Body, "GRAPHQL_VALIDATION_FAILED") {
				t.Errorf("the link works again: %s", got.Body)
			}
		}
		b.Query(nil, resetPassword, "t", b.tokenOf(attacker.Email, "/reset-password"), "p", ownerPassword).Must()
		if got := b.Query(nil, login, "e", attacker.Email, "p", ownerPassword).Must(); got.At("login.user.id") != attacker.ID || got.At("login.user.emailVerified") != true {
			t.Error(got.Body)
		}
	})
}

// TestDisownEmailLeavesVerifiedAccountsAlone checks that disownEmail affects neither an account
// with a verified address nor the account that requested a change of address.
func TestDisownEmailLeavesVerifiedAccountsAlone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		p := b.NewUser("USER")
		to := newAddress()
		change, reset := b.emailChangeToken(p, to), b.resetToken(p)
		undo := b.tokenOf(p.Email, "/undo-email-change")
		for name, token := range map[string]string{"reset": reset, "undo": undo, "nothing": ""} {
			if got := b.Query(nil, disownEmail, "t", token); !slices.Equal(got.Codes(), []string{"disownEmail INVALID_TOKEN"}) {
				t.Errorf("%s: %s", name, got.Body)
			}
		}
		verify := b.tokenOf(p.Email, "/verify-email")
		execSQL(t, databaseURL, "UPDATE users SET email_verified_at = created_at") // keeps the link
		wantCodes(t, b.Query(nil, disownEmail, "t", verify), "disownEmail INVALID_TOKEN")
		b.Query(nil, disownEmail, "t", change).Must()
		if !b.isSignedIn(p) || !b.canSignIn(p.Email, p.Password) {
			t.Error("disownEmail changed the account that requested the change")
		}
		wantCodes(t, b.Query(p, verifyEmail, "t", change), "verifyEmail INVALID_TOKEN")
		if got := b.Query(p, `{ me { email } }`).Must(); got.At("me.email") != p.Email {
			t.Error(got.Body)
		}
	})
}

// TestEmailChangeRequiresProofOfTheRequestingAccount checks that Vera does not confirm a change of
// Mallory's address to hers by opening the link.
func TestEmailChangeRequiresProofOfTheRequestingAccount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL)
		mallory, other := b.NewUser("USER"), b.NewUser("USER")
		vera := newAddress()
		token := b.emailChangeToken(mallory, vera)
		wantCodes(t, b.Query(nil, verifyEmail, "t", token), "verifyEmail PROOF_REQUIRED")
		wantCodes(t, b.Query(other, verifyEmail, "t", token, "p", other.Password+"!"), "verifyEmail PROOF_REQUIRED")
		// Vera must not get access to Mallory's account.
		b.Query(nil, requestReset, "e", vera).Must()
		if links := b.tokensOf(vera, "/reset-password"); len(links) != 0 {
			t.Error("the account got the address without proof")
		}
		m := b.mailsTo(vera)[0]
		local, _, _ := strings.Cut(mallory.Email, "@")
		if masked := local[:1] + "•••@e•••.com"; !strings.Contains(m.Text, masked) || !strings.Contains(m.HTML, masked) || strings.Contains(m.Text+m.HTML, local) {
			t.Errorf("the mail does not name the account with a masked address: %s", m.Text)
		}
		b.Query(mallory, verifyEmail, "t", token).Must()
		if got := b.Query(mallory, `{ me { email emailVerified } }`).Must(); got.At("me.email") != vera || got.At("me.emailVerified") != true {
			t.Error(got.Body)
		}
	})
}

// TestRegistrationReplacesAnUnusedOne checks that, when an attacker and then the owner register an
// address, each link confirms its own registration with its own password only.
func TestRegistrationReplacesAnUnusedOne(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		b.registerUnverified(email, attackerPassword)
		b.registerUnverified(strings.ToUpper(email[:1])+email[1:], ownerPassword)
		// Mails a new link.
		wantCodes(t, b.Query(nil, login, "e", email, "p", attackerPassword), "login EMAIL_NOT_VERIFIED")
		b.registerUnverified(email, attackerPassword+" again")
		links := b.tokensOf(email, "/verify-email")
		own := b.tokensOf(strings.ToUpper(email[:1])+email[1:], "/verify-email")
		if len(links) != 3 || len(own) != 1 {
			t.Fatalf("%d and %d links, want 3 and 1", len(links), len(own))
		}
		for i, token := range links {
			for _, password := range []any{nil, "", ownerPassword} {
				if got := b.Query(nil, verifyEmail, "t", token, "p", password); !slices.Equal(got.Codes(), []string{"verifyEmail PROOF_REQUIRED"}) {
					t.Errorf("the attacker's link %d with %v: %s", i, password, got.Body)
				}
			}
		}
		wantCodes(t, b.Query(nil, verifyEmail, "t", own[0], "p", attackerPassword), "verifyEmail PROOF_REQUIRED")
		b.Query(nil, verifyEmail, "t", own[0], "p", ownerPassword).Must()
		if b.canSignIn(email, attackerPassword) || b.canSignIn(email, attackerPassword+" again") {
			t.Error("a password of the attacker works")
		}
		got := b.Query(nil, login, "e", email, "p", ownerPassword).Must()
		if got.At("login.user.emailVerified") != true || got.Text("login.user.email") == email {
			t.Errorf("the account must have the owner's spelling of the address: %s", got.Body)
		}
		for i, token := range links { // after the first sign-in
			for _, password := range []string{attackerPassword, attackerPassword + " again", ownerPassword} {
				if got := b.Query(nil, verifyEmail, "t", token, "p", password); len(got.Errors) == 0 {
					t.Errorf("link %d works with %q", i, password)
				}
				if !b.canSignIn(email, ownerPassword) {
					t.Fatalf("link %d with %q took over the account", i, password)
				}
			}
		}
		if n := countRows(t, databaseURL, "users", "email_key = ?", email); n != 1 {
			t.Errorf("%d accounts, want 1", n)
		}
	})
}

// TestLastConfirmedRegistrationWins checks that each registration is confirmed by its own link, and
// that the last confirmed one counts until the first sign-in.
func TestLastConfirmedRegistrationWins(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		passwords := []string{attackerPassword, ownerPassword, "a third good password"}
		for _, password := range passwords {
			b.registerUnverified(email, password)
		}
		links := b.tokensOf(email, "/verify-email")
		for _, i := range []int{1, 0, 2} {
			b.Query(nil, verifyEmail, "t", links[i], "p", passwords[i]).Must()
		}
		if b.canSignIn(email, passwords[0]) || b.canSignIn(email, passwords[1]) || !b.canSignIn(email, passwords[2]) {
			t.Error("the password is not that of the last confirmed registration")
		}
	})
}

// TestRegistrationDoesNotReplaceUsedAccounts checks that a registration does not replace an account
// that is verified, has another role, was used, or is from before the upgrade.
func TestRegistrationDoesNotReplaceUsedAccounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name string
			make func(b *testServer, email string)
		}{
			{"verified", func(b *testServer, email string) {
				b.Query(nil, verifyEmail, "t", b.tokensOf(email, "/verify-email")[0], "p", ownerPassword).Must()
			}},
			{"with another role", func(b *testServer, email string) {
				if _, err := b.internal.Accounts.AsOperator().SetRoleByEmail(t.Context(), email, "STAFF"); err != nil {
					t.Fatal(err)
				}
			}},
			{"reset but never signed in to", func(b *testServer, email string) {
				b.Query(nil, requestReset, "e", email).Must()
				b.Query(nil, resetPassword, "t", b.tokenOf(email, "/reset-password"), "p", ownerPassword).Must()
			}},
			{"from before the upgrade", func(b *testServer, email string) { execSQL(t, databaseURL, "UPDATE users SET unused_since = NULL") }},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
				email := newAddress()
				b.registerUnverified(email, ownerPassword)
				b.registerUnverified(email, attackerPassword) // pending before the change
				pending := b.tokensOf(email, "/verify-email")[1]
				row.make(b, email)
				b.registerUnverified(email, attackerPassword)
				if got := b.tokensOf(email, "/verify-email"); len(got) != 2 {
					t.Errorf("%d links, want 2", len(got))
				}
				if !slices.ContainsFunc(b.mailsTo(email), func(m mail.Received) bool { return strings.Contains(m.Subject, "already") }) {
					t.Error("the owner got no mail")
				}
				if row.name == "verified" {
					return // until the first sign-in, the last confirmation counts
				}
				wantCodes(t, b.Query(nil, verifyEmail, "t", pending, "p", attackerPassword), "verifyEmail INVALID_TOKEN")
			})
		}
	})
}

// TestDisownEmailEndsPendingRegistrations checks that no earlier registration of an address can be
// confirmed after its owner has disowned one.
func TestDisownEmailEndsPendingRegistrations(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		b.registerUnverified(email, attackerPassword)
		b.registerUnverified(email, attackerPassword+" again")
		links := b.tokensOf(email, "/verify-email")
		// Queued in the outbox.
		wantCodes(t, b.Query(nil, registerUnverifiedQuery, "e", email, "p", attackerPassword+" once more"), "register EMAIL_NOT_VERIFIED")
		b.Query(nil, disownEmail, "t", links[1]).Must()
		links = append(links, b.tokensOf(email, "/verify-email")[2:]...)
		for i, password := range []string{attackerPassword, attackerPassword + " again", attackerPassword + " once more"} {
			if b.canSignIn(email, password) {
				t.Errorf("the password %q works", password)
			}
			if i < len(links) {
				wantCodes(t, b.Query(nil, verifyEmail, "t", links[i], "p", password), "verifyEmail INVALID_TOKEN")
			}
		}
		b.Query(nil, resetPassword, "t", b.tokenOf(email, "/reset-password"), "p", ownerPassword).Must()
		b.Query(nil, login, "e", email, "p", ownerPassword).Must()
	})
}

// TestConcurrentConfirmationsSucceedOnce checks that one of many concurrent uses of a link succeeds
// and leaves a complete account.
func TestConcurrentConfirmationsSucceedOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true")
		email := newAddress()
		b.registerUnverified(email, ownerPassword)
		token := b.tokenOf(email, "/verify-email")
		answers := make(chan *servertest.Response, 20)
		for range cap(answers) {
			go func() { answers <- b.Query(nil, verifyEmail, "t", token, "p", ownerPassword) }()
		}
		succeeded := 0
		for range cap(answers) {
			switch got := <-answers; {
			case len(got.Errors) == 0:
				succeeded++
			case !slices.Equal(got.Codes(), []string{"verifyEmail INVALID_TOKEN"}):
				t.Error(got.Body)
			}
		}
		if succeeded != 1 || !b.canSignIn(email, ownerPassword) {
			t.Errorf("%d confirmations succeeded, want 1 and a usable account", succeeded)
		}
	})
}

func TestSweepDeletesUnusedAccounts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true", "UNVERIFIED_ACCOUNT_TTL", "200h")
		unused, again, verified, used, old, promoted := newAddress(), newAddress(), newAddress(), newAddress(), newAddress(), newAddress()
		for _, email := range []string{unused, again, verified, used, old, promoted} {
			b.registerUnverified(email, ownerPassword)
		}
		for _, email := range []string{verified, used} {
			b.Query(nil, verifyEmail, "t", b.tokenOf(email, "/verify-email"), "p", ownerPassword).Must()
		}
		b.Query(nil, login, "e", used, "p", ownerPassword).Must()
		// As after REQUIRE_VERIFIED_EMAIL was turned on.
		execSQL(t, databaseURL, "UPDATE users SET email_verified_at = NULL WHERE email = '"+used+"'")
		execSQL(t, databaseURL, "UPDATE users SET unused_since = NULL WHERE email = '"+old+"'")
		if _, err := b.internal.Accounts.AsOperator().SetRoleByEmail(t.Context(), promoted, "STAFF"); err != nil {
			t.Fatal(err)
		}
		sweep := func(want ...string) {
			t.Helper()
			b.internal.Sweep(t.Context())
			var left []string
			for _, email := range []string{unused, again, verified, used, old, promoted} {
				if countRows(t, databaseURL, "users", "email = ?", email) == 1 {
					left = append(left, email)
				}
			}
			if !slices.Equal(left, want) {
				t.Errorf("remaining accounts are %q, want %q", left, want)
			}
		}
		b.Clock.Advance(199 * time.Hour)
		b.registerUnverified(again, attackerPassword)
		sweep(unused, again, verified, used, old, promoted)
		b.Clock.Advance(time.Hour)
		sweep(again, verified, used, old, promoted)
		b.Query(nil, verifyEmail, "t", b.tokenOf(again, "/verify-email"), "p", attackerPassword).Must()
		b.registerUnverified(unused, ownerPassword) // the address can be registered again
		b.Clock.Advance(200 * time.Hour)
		sweep(again, verified, used, old, promoted)
		for _, table := range []string{"tickets", "pending_registrations"} {
			if n := countRows(t, databaseURL, table, "expires_at > ?", b.internal.Store.Now()); n != 0 {
				t.Errorf("%s has %d rows, want 0", table, n)
			}
		}
	})
}

// TestSweepKeepsAccountsUsedByAnOlderVersion checks that an account is kept if a server of an older
// version signed it in: such servers do not record the first use.
func TestSweepKeepsAccountsUsedByAnOlderVersion(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true", "UNVERIFIED_ACCOUNT_TTL", "1h")
		email := newAddress()
		b.registerUnverified(email, ownerPassword)
		b.Query(nil, verifyEmail, "t", b.tokenOf(email, "/verify-email"), "p", ownerPassword).Must()
		b.Query(nil, login, "e", email, "p", ownerPassword).Must()
		execSQL(t, databaseURL, "UPDATE users SET email_verified_at = NULL, unused_since = created_at")
		b.Clock.Advance(2 * time.Hour)
		b.internal.Sweep(t.Context())
		if n := countRows(t, databaseURL, "users", "email = ?", email); n != 1 {
			t.Error("the account was deleted")
		}
	})
}

func TestSweepKeepsUnusedAccountsWithoutRequiredVerification(t *testing.T) {
	t.Parallel()
	b := bootWithSMTP(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	b.Query(p, `mutation { logoutEverywhere }`).Must()
	b.Clock.Advance(10_000 * time.Hour)
	b.internal.Sweep(t.Context())
	b.Query(nil, login, "e", p.Email, "p", p.Password).Must()
}

// TestSweepRacingAConfirmationIsConsistent checks that a confirmation of an expiring account either
// succeeds and keeps it, or fails.
func TestSweepRacingAConfirmationIsConsistent(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithSMTP(t, databaseURL, "REQUIRE_VERIFIED_EMAIL", "true", "UNVERIFIED_ACCOUNT_TTL", "1h")
		for range 10 {
			email := newAddress()
			b.registerUnverified(email, ownerPassword)
			token := b.tokenOf(email, "/verify-email")
			b.Clock.Advance(time.Hour)
			var both sync.WaitGroup
			var got *servertest.Response
			both.Go(func() { b.internal.Sweep(t.Context()) })
			both.Go(func() { got = b.Query(nil, verifyEmail, "t", token, "p", ownerPassword) })
			both.Wait()
			if confirmed := len(got.Errors) == 0; confirmed != b.canSignIn(email, ownerPassword) {
				t.Errorf("the confirmation returned %s, and the sign-in disagrees", got.Body)
			}
		}
	})
}

// countRows counts the rows of a table that match a condition.
func countRows(t *testing.T, databaseURL, table, condition string, args ...any) (rows int) {
	t.Helper()
	db := servertest.OpenDatabase(t, databaseURL)
	if err := db.QueryRowContext(context.WithoutCancel(t.Context()), "SELECT COUNT(*) FROM "+table+" WHERE "+condition, args...).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}
