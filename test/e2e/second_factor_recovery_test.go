package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// factorTables are the tables that hold rows of second factors.
var factorTables = []string{"factors", "recovery_codes", "challenges"}

// wantNoFactorRows wants no row of a user in the tables of second factors.
func wantNoFactorRows(t *testing.T, databaseURL string, p *servertest.User) {
	t.Helper()
	for _, table := range factorTables {
		if n := countRows(t, databaseURL, table, "user_id = ?", p.ID); n != 0 {
			t.Errorf("%d rows in %s, want 0", n, table)
		}
	}
}

func TestPasswordResetKeepsTheFactor(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p, a := b.newEnrolledUser()
		b.Query(nil, requestReset, "e", p.Email).Must()
		got := b.Query(nil, resetPassword, "t", b.MailToken(p.Email, "/reset-password"), "p", newPassword).Must()
		if cookies := got.Header.Values("Set-Cookie"); len(cookies) != 0 {
			t.Errorf("got the cookies %q, want none", cookies)
		}
		p.Password = newPassword
		b.signInWithCode(p, a)
		b.complete(b.challenge(p), "RECOVERY_CODE", a.recovery[0]).Must()
	})
}

// TestRecoveredAddressRemovesTheIntrudersFactors checks that a factor of an intruder does not keep
// the owner of an address out.
func TestRecoveredAddressRemovesTheIntrudersFactors(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		recovered := func(t *testing.T, intruder *servertest.User) {
			t.Helper()
			b.Query(nil, requestReset, "e", intruder.Email).Must()
			b.Query(nil, resetPassword, "t", b.MailToken(intruder.Email, "/reset-password"), "p", ownerPassword).Must()
			got := b.Query(nil, loginInBody, "e", intruder.Email, "p", ownerPassword).Must()
			if got.At("login.user.id") != intruder.ID {
				t.Errorf("got %s, want the owner's account", got.Body)
			}
		}
		t.Run("disownEmail", func(t *testing.T) {
			intruder, _ := b.newEnrolledUser() // registered an address that is not theirs
			b.challenge(intruder)
			b.Query(nil, disownEmail, "t", b.MailToken(intruder.Email, "/verify-email")).Must()
			wantNoFactorRows(t, databaseURL, intruder)
			recovered(t, intruder)
		})
		t.Run("the undo of a change of address", func(t *testing.T) {
			owner := b.NewUser("USER")
			b.Query(owner, verifyEmail, "t", b.MailToken(owner.Email, "/verify-email")).Must()
			intruder := b.Login(owner) // knows the password
			to := newAddress()
			b.Query(intruder, requestChange, "e", to, "p", intruder.Password).Must()
			b.Query(intruder, verifyEmail, "t", b.MailToken(to, "/confirm-email")).Must()
			b.enrol(intruder)
			b.Query(nil, verifyEmail, "t", b.MailToken(owner.Email, "/undo-email-change")).Must()
			for _, table := range factorTables[:2] {
				if n := countRows(t, databaseURL, table, "user_id = ?", owner.ID); n != 0 {
					t.Errorf("%d rows in %s, want 0", n, table)
				}
			}
			recovered(t, owner)
		})
		t.Run("recovery codes that an intruder made", func(t *testing.T) {
			owner, _ := b.newEnrolledUser()
			b.Query(owner, verifyEmail, "t", b.MailToken(owner.Email, "/verify-email")).Must()
			to := newAddress()
			b.Query(owner, requestChange, "e", to, "p", owner.Password).Must()
			b.Query(owner, verifyEmail, "t", b.MailToken(to, "/confirm-email")).Must()
			b.Clock.Advance(time.Second)
			code := b.Query(owner, newRecoveryCodes).Must().Text("newRecoveryCodes.0")
			b.Query(nil, verifyEmail, "t", b.MailToken(owner.Email, "/undo-email-change")).Must()
			b.Query(nil, requestReset, "e", owner.Email).Must()
			b.Query(nil, resetPassword, "t", b.MailToken(owner.Email, "/reset-password"), "p", newPassword).Must()
			owner.Password = newPassword
			wantCodes(t, b.complete(b.challenge(owner), "RECOVERY_CODE", code), "completeSignIn INVALID_CREDENTIALS")
		})
		t.Run("the owner's factor stays", func(t *testing.T) {
			owner, a := b.newEnrolledUser()
			b.Query(owner, verifyEmail, "t", b.MailToken(owner.Email, "/verify-email")).Must()
			to := newAddress()
			b.Query(owner, requestChange, "e", to, "p", owner.Password).Must()
			b.Query(owner, verifyEmail, "t", b.MailToken(to, "/confirm-email")).Must()
			// The mailbox of the former address is no second factor: the undo must not remove the
			// owner's.
			b.Query(nil, verifyEmail, "t", b.MailToken(owner.Email, "/undo-email-change")).Must()
			b.Query(nil, requestReset, "e", owner.Email).Must()
			b.Query(nil, resetPassword, "t", b.MailToken(owner.Email, "/reset-password"), "p", newPassword).Must()
			owner.Password = newPassword
			b.signInWithCode(owner, a)
		})
	})
}

func TestResetFactorsRemovesAllFactorsAndSessions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		admin := b.NewUser("ADMIN")
		for _, row := range []struct {
			name, actor string
			reset       func(p *servertest.User)
		}{
			{"resetFactors", admin.ID, func(p *servertest.User) {
				if got := b.Query(admin, resetFactors, "u", p.ID).Must(); got.At("resetFactors.id") != p.ID {
					t.Errorf("got %s, want the account", got.Body)
				}
			}},
			{"the command line", "", func(p *servertest.User) {
				env := map[string]string{"DATABASE_URL": databaseURL}
				status, stdout, stderr := servertest.RunCLI(t, env, "", "user", "reset-factors", p.Email, "--json")
				var result map[string]any
				if err := json.Unmarshal([]byte(stdout), &result); status != 0 || err != nil || result["email"] != p.Email {
					t.Fatalf("status %d: %s%s: %v", status, stdout, stderr, err)
				}
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				p, a := b.newEnrolledUser()
				d := b.signInWithCode(p, a)
				b.challenge(p)
				row.reset(p)
				if b.isSignedIn(p) || b.isSignedIn(d.User) {
					t.Error("a session is still valid")
				}
				wantNoFactorRows(t, databaseURL, p)
				b.Query(nil, loginInBody, "e", p.Email, "p", p.Password).Must()
				if got := b.subjects(p.Email, "was removed"); len(got) != 1 {
					t.Errorf("got the mails %q, want one about the removal", got)
				}
				if got := b.auditEvents(admin, p); !slices.Contains(got, "factors reset USER") {
					t.Errorf("got the audit entries %q, want \"factors reset USER\"", got)
				}
				if n := countRows(t, databaseURL, "audit", "user_id = ? AND event = 'factors reset' AND COALESCE(actor_id, '') = ?", p.ID, row.actor); n != 1 {
					t.Errorf("%d entries name the actor %q, want 1", n, row.actor)
				}
			})
		}
		wantCodes(t, b.Query(admin, resetFactors, "u", newRowID()), "resetFactors NOT_FOUND")
		status, _, stderr := servertest.RunCLI(t, map[string]string{"DATABASE_URL": databaseURL}, "", "user", "reset-factors", "unknown@example.com")
		if status != 3 || !strings.Contains(stderr, "unknown@example.com") {
			t.Errorf("status %d: %s, want 3 and the unknown address", status, stderr)
		}
	})
}

func TestDeletedAccountLeavesNoFactorRows(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		admin := b.NewUser("ADMIN")
		for name, erase := range map[string]func(p *servertest.User){
			"deleteAccount": func(p *servertest.User) { b.Query(p, `mutation { deleteAccount }`).Must() },
			"deleteUser": func(p *servertest.User) {
				b.Query(admin, `mutation($u: ID!) { deleteUser(userId: $u) }`, "u", p.ID).Must()
			},
			"the command line": func(p *servertest.User) {
				env := map[string]string{"DATABASE_URL": databaseURL}
				if status, stdout, stderr := servertest.RunCLI(t, env, "", "user", "delete", p.Email, "--yes"); status != 0 {
					t.Fatalf("status %d: %s%s", status, stdout, stderr)
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				p, _ := b.newEnrolledUser()
				b.challenge(p)
				b.Query(p, beginTotp).Must()
				for _, table := range factorTables {
					if countRows(t, databaseURL, table, "user_id = ?", p.ID) == 0 {
						t.Errorf("no row in %s before the deletion", table)
					}
				}
				erase(p)
				wantNoFactorRows(t, databaseURL, p)
			})
		}
	})
}

func TestSweepDeletesExpiredChallenges(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p, a := b.newEnrolledUser()
		for range 5 {
			b.challenge(p)
		}
		b.Query(p, beginTotp).Must()
		sweep := func() {
			t.Helper()
			if _, err := b.internal.Store.Sweep(t.Context(), b.internal.Store.Now()); err != nil {
				t.Fatal(err)
			}
		}
		b.Clock.Advance(9 * time.Minute)
		if sweep(); countRows(t, databaseURL, "challenges", "user_id = ?", p.ID) != 6 {
			t.Error("the sweep deleted a challenge that has not expired")
		}
		b.Clock.Advance(time.Minute)
		if sweep(); countRows(t, databaseURL, "challenges", "user_id = ?", p.ID) != 0 {
			t.Error("the sweep left an expired challenge")
		}
		b.signInWithCode(p, a) // the factor stays
	})
}

// TestRemovedFactorProvesNothing checks that the proof of a factor ends with the factor: without
// one, an account has no recovery codes.
func TestRemovedFactorProvesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		p, _ := b.newEnrolledUser()
		b.Query(p, removeFactor, "id", b.Query(p, `{ factors { id } }`).Must().Text("factors.0.id")).Must()
		wantStepUp(t, b.Query(p, newRecoveryCodes), "600 ALWAYS []")
		wantNoFactorRows(t, databaseURL, p)
	})
}

func TestFactorKeysRotate(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		old := bootWithFactors(t, databaseURL)
		p, a := old.newEnrolledUser()
		start := func(keys string) *testServer {
			t.Helper()
			b := bootWithFactors(t, databaseURL, "FACTOR_KEYS", keys)
			b.Clock.Follow(old.Clock)
			return b
		}
		lost := start(newFactorKey)
		challenge := lost.challenge(p)
		wantCodes(t, lost.complete(challenge, "TOTP", old.nextCode(a)), "completeSignIn FACTORS_UNAVAILABLE")
		if !strings.Contains(lost.Log.String(), "FACTOR_KEYS") {
			t.Error("the log does not name FACTOR_KEYS")
		}
		// A recovery code needs no key.
		lost.complete(challenge, "RECOVERY_CODE", a.recovery[0]).Must()

		both := start(newFactorKey + "," + factorKey)
		both.signInWithCode(p, a) // encrypts the secret with the new key
		old.Clock.Follow(both.Clock)
		alone := start(newFactorKey)
		alone.signInWithCode(p, a)
		old.Clock.Follow(alone.Clock)
		wantCodes(t, old.complete(old.challenge(p), "TOTP", old.nextCode(a)), "completeSignIn FACTORS_UNAVAILABLE")

		// After the loss of all keys, a recovery code leads to a new enrolment.
		const third = "Zk3mV8sTq1LxR6yWc9BfN2hJd5GpUe7AoXi0YbKtMwQ"
		fresh := start(third)
		got := fresh.complete(fresh.challenge(p), "RECOVERY_CODE", a.recovery[1]).Must()
		p.Token = got.Text("completeSignIn.accessToken")
		replaced := fresh.enrol(p)
		fresh.signInWithCode(p, replaced)
	})
}

// TestSecretOfAnotherAccountDoesNotDecrypt checks that a secret is bound to its account: write
// access to the database is not enough to give an account the app of another one.
func TestSecretOfAnotherAccountDoesNotDecrypt(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		owner, _ := b.newEnrolledUser()
		thief, a := b.newEnrolledUser()
		execSQL(t, databaseURL, "UPDATE factors SET secret = (SELECT secret FROM (SELECT * FROM factors) f WHERE user_id = '"+thief.ID+"') WHERE user_id = '"+owner.ID+"'")
		wantCodes(t, b.complete(b.challenge(owner), "TOTP", b.nextCode(a)), "completeSignIn FACTORS_UNAVAILABLE")
	})
}

func TestFactorsAreUnavailableWithoutKeys(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		production := boot(t, databaseURL, "ENV", "production", "PUBLIC_URL", "https://a.example")
		p := production.NewUser("USER")
		wantCodes(t, production.Query(p, beginTotp), "beginTotp FACTORS_UNAVAILABLE")
		wantCodes(t, production.Query(p, enableTotp, "c", "123456"), "enableTotp FACTORS_UNAVAILABLE")
		if n := production.Query(p, `{ factors { id } }`).Must().At("factors").([]any); len(n) != 0 {
			t.Errorf("%d factors, want 0", len(n))
		}
		production.Query(nil, loginInBody, "e", p.Email, "p", p.Password).Must()
		// A factor does not disappear with the key: a sign-in still asks for it.
		b := bootWithFactors(t, databaseURL, "PUBLIC_URL", "https://a.example")
		enrolled, a := b.newEnrolledUser()
		challenge := production.challenge(enrolled)
		wantCodes(t, production.complete(challenge, "TOTP", a.wrongCode(b.Clock.Now())), "completeSignIn FACTORS_UNAVAILABLE")
		production.complete(challenge, "RECOVERY_CODE", a.recovery[0]).Must()
	})
}

// TestNoSecondFactorSecretIsLogged checks the log at level debug for secrets, codes and challenges,
// valid and invalid ones.
func TestNoSecondFactorSecretIsLogged(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "LOG_LEVEL", "debug")
		p := b.NewUser("USER")
		// Distinct from every number that a log line has.
		var secrets []string
		a := &authenticator{secret: b.Query(p, beginTotp).Must().Text("beginTotp.secret")}
		code := func(c string) string {
			secrets = append(secrets, `"`+c+`"`, " "+c+" ", c+"'", "="+c)
			return c
		}
		b.Query(p, enableTotp, "c", code(a.wrongCode(b.Clock.Now())))
		for _, c := range b.Query(p, enableTotp, "c", code(a.codeAt(t, b.Clock.Now()))).Must().At("enableTotp").([]any) {
			a.recovery = append(a.recovery, c.(string))
		}
		const typed = "typed-into-the-wrong-field"
		first, second := b.challenge(p), b.challenge(p)
		b.complete(typed, "TOTP", typed)
		b.complete(first, "TOTP", typed)
		b.complete(first, "RECOVERY_CODE", typed)
		b.complete(first, "TOTP", code(a.wrongCode(b.Clock.Now())))
		b.complete(first, "TOTP", code(b.nextCode(a))).Must()
		b.complete(second, "RECOVERY_CODE", a.recovery[0]).Must()
		w := b.newBrowser(homeIP)
		w.signIn(p)
		inCookie := w.cookies["challenge"]
		w.send(completeByCookie, "f", "TOTP", "c", code(a.wrongCode(b.Clock.Now())))
		b.QueryWith(http.Header{"Cookie": {"challenge=" + typed}}, completeByCookie, "f", "TOTP", "c", typed)
		b.Query(p, confirmIdentity, "f", "TOTP", "p", code(b.nextCode(a))).Must()
		b.Query(p, confirmIdentity, "f", "PASSWORD", "p", typed)
		b.Query(p, confirmIdentity, "f", "RECOVERY_CODE", "p", typed)
		b.Query(nil, `mutation { completeSignIn(input: {challenge: "`+typed+`", factor: TOTP, code: "`+typed+`"}) { tokenType nothing } }`)
		b.Query(nil, `mutation { completeSignIn(input: {challenge: "`+typed+`", factor: `+strings.ReplaceAll(typed, "-", "_")+`, code: "`+typed+`"}) { tokenType } }`)
		b.Query(p, removeFactor, "id", typed)
		lost := bootWithFactors(t, databaseURL, "FACTOR_KEYS", newFactorKey, "LOG_LEVEL", "debug")
		lost.Clock.Follow(b.Clock)
		lost.complete(lost.challenge(p), "TOTP", typed)

		secrets = append(secrets, a.secret, first, second, inCookie, typed, strings.ReplaceAll(typed, "-", "_"), factorKey, newFactorKey, p.Password)
		for _, c := range a.recovery {
			secrets = append(secrets, c, strings.ReplaceAll(c, "-", ""))
		}
		log := b.Log.String() + lost.Log.String()
		if !strings.Contains(log, "second factor failed") {
			t.Error("the log has no wrong code")
		}
		for _, secret := range secrets {
			for line := range strings.Lines(log) {
				if strings.Contains(line, secret) {
					t.Errorf("%q is in the log: %s", secret, line)
					break
				}
			}
		}
	})
}

// TestConcurrentEnrolmentsLeaveNoFactor checks that neither a factor nor a recovery code outlives a
// deletion or a reset that runs at the same time.
func TestConcurrentEnrolmentsLeaveNoFactor(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		admin := b.NewUser("ADMIN")
		for i := range 12 {
			p, _ := b.newEnrolledUser()
			a := &authenticator{secret: b.Query(p, beginTotp).Must().Text("beginTotp.secret")}
			code := a.codeAt(t, b.Clock.Now())
			remove := []string{resetFactors, `mutation($u: ID!) { deleteUser(userId: $u) }`}[i%2]
			done := make(chan *servertest.Response)
			go func() { done <- b.Query(p, newRecoveryCodes) }()
			go func() { done <- b.Query(p, enableTotp, "c", code) }()
			go func() { done <- b.Query(admin, remove, "u", p.ID) }()
			for range 3 {
				if got := <-done; strings.Contains(got.Body, "INTERNAL") {
					t.Errorf("got %s", got.Body)
				}
			}
			for _, table := range factorTables[:2] {
				if n := countRows(t, databaseURL, table, "user_id = ?", p.ID); n != 0 {
					t.Errorf("%d rows in %s after %s, want 0", n, table, remove)
				}
			}
		}
	})
}
