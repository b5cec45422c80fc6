package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// guesses counts the wrong codes that a server compared, over several requests.
type guesses struct {
	*testServer
	app      *authenticator
	compared int
}

// send sends a document and counts its answers INVALID_CREDENTIALS. It reports whether an answer
// was RATE_LIMITED.
func (g *guesses) send(ip, query string, variables ...any) (limited bool) {
	g.t.Helper()
	got := g.QueryWith(fromIP(ip), query, variables...)
	for _, code := range got.Codes() {
		switch _, code, _ := strings.Cut(code, " "); code {
		case "INVALID_CREDENTIALS":
			g.compared++
		case "RATE_LIMITED":
			limited = true
		case "INVALID_TOKEN":
		default:
			g.t.Fatalf("got %s", got.Body)
		}
	}
	return limited
}

// challengeFrom signs a user in with the password, from an IP address.
func (b *testServer) challengeFrom(ip string, p *servertest.User) string {
	b.t.Helper()
	got := b.QueryWith(fromIP(ip), loginInBody, "e", p.Email, "p", p.Password)
	if !slices.Equal(got.Codes(), []string{"login SECOND_FACTOR_REQUIRED"}) {
		b.t.Fatalf("got %s, want SECOND_FACTOR_REQUIRED", got.Body)
	}
	return got.Errors[0].Extensions["challenge"].(string)
}

// TestSignInsThatWaitForACodeAreLimited checks that a stolen password cannot start more sign-ins to
// an account than the account may have.
func TestSignInsThatWaitForACodeAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		p, _ := b.newEnrolledUser()
		for range 60 {
			b.challengeFrom(otherIP, p)
		}
		wantRateLimited(t, b.QueryWith(fromIP(otherIP), loginInBody, "e", p.Email, "p", p.Password), "login")
		if n := countRows(t, databaseURL, "challenges", "user_id = ?", p.ID); n != 60 {
			t.Errorf("%d challenges, want 60", n)
		}
	})
}

// TestWrongCodesAreLimited guesses codes with aliases, new challenges, both deliveries, other
// servers of the database, restarts and other addresses. Behind all of them the account has 5
// guesses in 15 minutes from one address, and 20 a day.
func TestWrongCodesAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		limits := []string{"LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1"}
		b := bootWithFactors(t, databaseURL, limits...)
		home := b.newBrowser(homeIP)
		p := home.register()
		b.Clock.Advance(6 * time.Second)
		p.Token = home.send(`mutation { refresh { accessToken } }`).Must().Text("refresh.accessToken")
		a := b.enrol(p)

		var document strings.Builder
		for i := range 2 {
			factor := []string{"TOTP", "RECOVERY_CODE"}[i%2]
			fmt.Fprintf(&document, "a%d: completeSignIn(input: {challenge: $h, factor: %s, code: $c}) { tokenType }\n", i, factor)
		}
		aliased := "mutation($h: String, $c: String!) { " + document.String() + " }"

		g := &guesses{b, a, 0}
		wrong := a.wrongCode(b.Clock.Now())
		wantCodes(t, b.Query(nil, aliased, "h", b.challengeFrom(otherIP, p), "c", wrong), "QUERY_TOO_COMPLEX")
		for range 3 {
			challenge := b.challengeFrom(otherIP, p)
			for range 3 {
				g.send(otherIP, completeSignIn, "h", challenge, "f", "TOTP", "c", wrong)
			}
		}
		w := b.newBrowser(otherIP)
		wantCodes(t, w.signIn(p), "login SECOND_FACTOR_REQUIRED")
		wantRateLimited(t, w.send(completeByCookie, "f", "TOTP", "c", wrong), "completeSignIn")
		if g.compared != 5 {
			t.Errorf("%d guesses after another challenge, want 5", g.compared)
		}
		for i := range 10 { // replicas, restarts, and addresses
			g.testServer = bootWithFactors(t, databaseURL, limits...)
			g.Clock.Follow(b.Clock)
			ip := fmt.Sprintf("203.0.113.%d", i)
			challenge := g.challengeFrom(ip, p)
			for range 6 {
				g.send(ip, completeSignIn, "h", challenge, "f", "TOTP", "c", wrong)
			}
		}
		if g.compared != 20 {
			t.Errorf("%d guesses in a day, want 20", g.compared)
		}
		// The right code is refused too: its holder may be a thief who guessed it.
		wantRateLimited(t, b.QueryWith(fromIP("203.0.113.99"), completeSignIn, "h", b.challengeFrom("203.0.113.99", p), "f", "TOTP", "c", b.nextCode(a)), "completeSignIn")
		// The guesses of others do not lock the owner's browser out.
		wantCodes(t, home.signIn(p), "login SECOND_FACTOR_REQUIRED")
		home.send(completeByCookie, "f", "TOTP", "c", b.nextCode(a)).Must()
	})
}

// TestConfirmationsAreLimited checks that a stolen session can neither guess a code nor a password.
func TestConfirmationsAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		p := b.registerFrom(homeIP)
		a := b.enrol(p)
		compared := 0
		for i := range 60 {
			ip := fmt.Sprintf("203.0.113.%d", i/6)
			proof := []string{wrongPassword, a.wrongCode(b.Clock.Now()), "aaaa-aaaa-aaaa-aaaa"}[i%3]
			got := b.queryFrom(p, ip, confirmIdentity, "f", []string{"PASSWORD", "TOTP", "RECOVERY_CODE"}[i%3], "p", proof)
			switch codes := got.Codes(); {
			case slices.Equal(codes, []string{"confirmIdentity INVALID_CREDENTIALS"}):
				compared++
			case !slices.Equal(codes, []string{"confirmIdentity RATE_LIMITED"}):
				t.Fatalf("got %s", got.Body)
			}
		}
		if compared != 20 {
			t.Errorf("%d guesses in an hour, want 20", compared)
		}
	})
}

// TestHundredWrongCodesLockTheApp checks the lock of NIST SP 800-63B-4 section 3.2.2, which no
// rate limit replaces.
func TestHundredWrongCodesLockTheApp(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL) // without rate limits
		p, a := b.newEnrolledUser()
		fail := func(n int) {
			t.Helper()
			challenge := ""
			for i := range n {
				if i%5 == 0 {
					challenge = b.challenge(p)
				}
				if got := b.complete(challenge, "TOTP", a.wrongCode(b.Clock.Now())); !hasCode(got, "completeSignIn INVALID_CREDENTIALS") {
					t.Fatalf("wrong code %d: got %s", i+1, got.Body)
				}
			}
		}
		fail(99)
		b.signInWithCode(p, a) // an accepted code begins the count anew
		fail(90)
		for range 10 { // confirmIdentity counts too
			wantCodes(t, b.Query(p, confirmIdentity, "f", "TOTP", "p", a.wrongCode(b.Clock.Now())), "confirmIdentity INVALID_CREDENTIALS")
		}
		challenge := b.challenge(p)
		wantCodes(t, b.complete(challenge, "TOTP", b.nextCode(a)), "completeSignIn INVALID_CREDENTIALS")
		wantCodes(t, b.Query(p, confirmIdentity, "f", "TOTP", "p", b.nextCode(a)), "confirmIdentity INVALID_CREDENTIALS")
		b.Clock.Advance(30 * 24 * time.Hour) // time does not unlock it
		challenge = b.challenge(p)
		wantCodes(t, b.complete(challenge, "TOTP", b.nextCode(a)), "completeSignIn INVALID_CREDENTIALS")
		b.complete(challenge, "RECOVERY_CODE", a.recovery[0]).Must()
		b.signInWithCode(p, a)
	})
}

func TestRecoveryCodesWorkOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFactors(t, databaseURL)
		admin := b.NewUser("ADMIN")
		p, a := b.newEnrolledUser()
		for i, spelling := range []func(string) string{
			func(code string) string { return code },
			strings.ToUpper,
			func(code string) string { return strings.ReplaceAll(code, "-", "") },
			func(code string) string { return strings.ReplaceAll(code, "-", " ") },
			func(code string) string {
				return "  " + strings.Join(strings.Split(strings.ToUpper(code), ""), " ") + " "
			},
			func(code string) string { return code + "\n" },
			func(code string) string { return "\t" + code },
			func(code string) string { return strings.ReplaceAll(code, "-", "\u00a0") },
			func(code string) string { return strings.ReplaceAll(code, "-", "\u2011") },
		} {
			code := spelling(a.recovery[i])
			got := b.complete(b.challenge(p), "RECOVERY_CODE", code)
			if len(got.Errors) > 0 {
				t.Errorf("the spelling %q: %s", code, got.Body)
			}
			again := b.complete(b.challenge(p), "RECOVERY_CODE", a.recovery[i])
			wantCodes(t, again, "completeSignIn INVALID_CREDENTIALS")
			left := fmt.Sprintf("Codes left: %d.", 9-i)
			if n := slices.IndexFunc(b.Mails(p.Email), func(m servertest.Mail) bool {
				return strings.Contains(m.Subject, "recovery code") && strings.Contains(m.Text, left)
			}); n < 0 {
				t.Errorf("no mail says %q", left)
			}
		}
		// The last code proves an identity in a session too.
		p.Token = b.Query(p, confirmIdentity, "f", "RECOVERY_CODE", "p", a.recovery[9]).Must().Text("confirmIdentity.accessToken")
		wantCodes(t, b.Query(p, confirmIdentity, "f", "RECOVERY_CODE", "p", a.recovery[9]), "confirmIdentity INVALID_CREDENTIALS")
		b.Query(p, newRecoveryCodes).Must()
		events := b.auditEvents(admin, p)
		for _, want := range []string{"sign-in RECOVERY_CODE", "second factor failed RECOVERY_CODE", "identity confirmed RECOVERY_CODE", "recovery codes replaced"} {
			if !slices.Contains(events, want) {
				t.Errorf("got the audit entries %q, want %q", events, want)
			}
		}
	})
}

// TestWrongCodeMailIsSentOnceADay checks that the owner of an account learns of a stolen password.
func TestWrongCodeMailIsSentOnceADay(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b, other := bootWithFactors(t, databaseURL), bootWithFactors(t, databaseURL)
		p, a := b.newEnrolledUser()
		fail := func(s *testServer) {
			t.Helper()
			s.Clock.Follow(b.Clock)
			wantCodes(t, s.complete(s.challenge(p), "TOTP", a.wrongCode(s.Clock.Now())), "completeSignIn INVALID_CREDENTIALS")
		}
		// Both servers have an inbox, and either may send a mail.
		mails := func() int { return len(b.subjects(p.Email, "Wrong code")) + len(other.subjects(p.Email, "Wrong code")) }
		if mails() != 0 {
			t.Error("a mail before the first wrong code")
		}
		for range 3 {
			fail(b)
			fail(other)
		}
		if n := mails(); n != 1 {
			t.Errorf("%d mails about wrong codes, want 1", n)
		}
		b.Clock.Advance(23 * time.Hour)
		fail(b)
		if n := mails(); n != 1 {
			t.Errorf("%d mails within a day, want 1", n)
		}
		b.Clock.Advance(2 * time.Hour)
		fail(other)
		if n := mails(); n != 2 {
			t.Errorf("%d mails on the second day, want 2", n)
		}
		// An account without a second factor has none that could fail.
		plain := b.NewUser("USER")
		for _, factor := range []string{"TOTP", "RECOVERY_CODE"} {
			wantCodes(t, b.Query(plain, confirmIdentity, "f", factor, "p", "123456"), "confirmIdentity INVALID_CREDENTIALS")
		}
		if got := b.subjects(plain.Email, "Wrong code"); len(got) != 0 {
			t.Errorf("an account without a second factor got the mails %q", got)
		}
	})
}

// TestConcurrentWrongCodesAreLimited sends 60 wrong codes at once, each with its own challenge, to
// two servers of one database.
func TestConcurrentWrongCodesAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		limits := []string{"LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1"}
		servers := []*testServer{bootWithFactors(t, databaseURL, limits...), bootWithFactors(t, databaseURL, limits...)}
		b := servers[0]
		for _, row := range []struct {
			name      string
			addresses int
			want      int
		}{{"from one address", 1, 5}, {"from many addresses", 20, 20}} {
			p := b.registerFrom(homeIP)
			a := b.enrol(p)
			wrong := a.wrongCode(b.Clock.Now())
			answers := make(chan *servertest.Response)
			const n = 60
			var challenges []string
			for i := range n {
				challenges = append(challenges, b.challengeFrom(fmt.Sprintf("203.0.113.%d", i%row.addresses), p))
			}
			for i, challenge := range challenges {
				header := fromIP(fmt.Sprintf("203.0.113.%d", i%row.addresses))
				go func() {
					answers <- servers[i%2].QueryWith(header, completeSignIn, "h", challenge, "f", "TOTP", "c", wrong)
				}()
			}
			compared := 0
			for range n {
				switch got := <-answers; fmt.Sprint(got.Codes()) {
				case "[completeSignIn INVALID_CREDENTIALS]":
					compared++
				case "[completeSignIn RATE_LIMITED]":
				default:
					t.Errorf("%s: got %s", row.name, got.Body)
				}
			}
			if compared != row.want {
				t.Errorf("%s: %d codes were compared, want %d", row.name, compared, row.want)
			}
		}
	})
}
