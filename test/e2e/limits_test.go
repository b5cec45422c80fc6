package e2e

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fieldgate/graph"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/limit"
	"fieldgate/internal/policy"
	"fieldgate/models"
	"fieldgate/servertest"
)

// bootWithLimits starts a server with limits, which takes the client's address from what the test says it is, and the
// time from nobody else.
func bootWithLimits(t *testing.T, databaseURL string) *testServer {
	t.Helper()
	b := boot(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
	b.Clock.Stop() // no slot comes back while a slow machine thinks
	return b
}

const (
	homeIP  = "192.0.2.1"
	otherIP = "198.51.100.1"
)

func fromIP(ip string) http.Header { return http.Header{"X-Forwarded-For": {ip}} }

const (
	loginQuery    = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { accessToken } }`
	registerQuery = `mutation($e: String!, $p: String!) { register(input: {name: "X", email: $e, password: $p, delivery: BODY}) { accessToken user { id } } }`
	wrongPassword = "not the password"
)

func (b *testServer) login(ip, email, password string) *servertest.Response {
	b.t.Helper()
	return b.QueryWith(fromIP(ip), loginQuery, "e", email, "p", password)
}

// registerFrom is somebody who has made an account at an address, and has never signed in since.
func (b *testServer) registerFrom(ip string) *servertest.User {
	b.t.Helper()
	p := &servertest.User{Email: fmt.Sprintf("limited%d@example.com", addressCounter.Add(1)), Password: servertest.Password}
	got := b.QueryWith(fromIP(ip), registerQuery, "e", p.Email, "p", p.Password).Must()
	p.ID, p.Token = got.Text("register.user.id"), got.Text("register.accessToken")
	return p
}

// failAt tries wrong passwords, all of which must be tried.
func (b *testServer) failLogins(n int, ip, email string) {
	b.t.Helper()
	for i := range n {
		if got := b.login(ip, email, wrongPassword).Codes(); !slices.Equal(got, []string{"login INVALID_CREDENTIALS"}) {
			b.t.Fatalf("attempt %d of %d: %q", i+1, n, got)
		}
	}
}

// exhaustAccountLimit uses the account's own limit up, a few attempts an address.
func (b *testServer) exhaustAccountLimit(email string) {
	b.t.Helper()
	for i := range 20 {
		b.failLogins(5, fmt.Sprintf("203.0.113.%d", i), email)
	}
}

// wantRateLimited wants one error, with how long to wait in both places, and no data.
func wantRateLimited(t *testing.T, got *servertest.Response, field string) (retryAfter time.Duration) {
	t.Helper()
	if !slices.Equal(got.Codes(), []string{field + " RATE_LIMITED"}) || got.Status != http.StatusOK || got.At(field) != nil {
		t.Fatalf("status %d: %s", got.Status, got.Body)
	}
	seconds, _ := got.Errors[0].Extensions["retryAfter"].(float64)
	if seconds < 1 || seconds != float64(int(seconds)) || got.Header.Get("Retry-After") != strconv.Itoa(int(seconds)) {
		t.Errorf("Retry-After %q: %s", got.Header.Get("Retry-After"), got.Body)
	}
	return time.Duration(seconds) * time.Second
}

func TestWrongPasswordsAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		b.failLogins(5, homeIP, p.Email)
		before := b.internal.Store.Queries()
		wantRateLimited(t, b.login(homeIP, p.Email, wrongPassword), "login")
		if n := b.internal.Store.Queries() - before; n != 1 {
			t.Errorf("%d queries for an attempt that is refused, want one that reads", n)
		}
		wait := wantRateLimited(t, b.login(homeIP, strings.ToUpper(p.Email), p.Password), "login") // the right password in another spelling
		if wait != 3*time.Minute {
			t.Errorf("the wait is %s", wait)
		}
		other := b.registerFrom(homeIP)
		b.login(homeIP, other.Email, other.Password).Must()
		b.login(otherIP, p.Email, p.Password).Must()
		var lines int
		for _, record := range b.Log.Records(b.t) {
			if record["msg"] != "rate limited" {
				continue
			}
			lines++
			if record["field"] != "Mutation.login" || record["by"] != "ACCOUNT_AND_ADDRESS" || record["ip"] != homeIP || record["retry_after"] != float64(180) {
				t.Errorf("logged %v", record)
			}
		}
		if lines != 2 || strings.Contains(b.Log.String(), p.Email) {
			t.Errorf("%d lines in the log, or one with the address", lines)
		}
		b.Clock.Advance(wait - time.Millisecond)
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
		b.Clock.Advance(time.Millisecond)
		b.failLogins(1, homeIP, p.Email)
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
		b.Clock.Advance(15 * time.Minute)
		b.login(homeIP, p.Email, p.Password).Must()
		b.failLogins(5, homeIP, p.Email)
	})
}

func TestCorrectPasswordsAreNotCounted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		b.failLogins(4, homeIP, p.Email)
		for range 40 { // more than the address has
			b.login(homeIP, p.Email, p.Password).Must()
		}
		b.failLogins(1, homeIP, p.Email)
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
	})
}

// What the server had no room for, or refused for its form, guessed nothing.
func TestRejectedRequestsAreNotCounted(t *testing.T) {
	t.Parallel()
	b := bootWithLimits(t, dbtest.SQLite(t))
	p := b.registerFrom(homeIP)
	for range 10 {
		if got := b.login(homeIP, p.Email, strings.Repeat("x", 1025)).Codes(); !slices.Equal(got, []string{"login BAD_USER_INPUT"}) {
			t.Fatalf("%q", got)
		}
	}
	b.internal.Queue.Close()
	for range 10 {
		if got := b.login(homeIP, p.Email, p.Password).Codes(); !slices.Equal(got, []string{"login OVERLOADED"}) {
			t.Fatalf("%q", got)
		}
	}
}

func TestLoginsAreLimitedByIP(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(otherIP)
		for i := range 30 {
			b.failLogins(1, homeIP, fmt.Sprintf("nobody%d@example.com", i))
			b.failLogins(1, fmt.Sprintf("2001:db8:1:2::%x", i), fmt.Sprintf("nobody%d@example.com", i))
		}
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
		wantRateLimited(t, b.login("2001:db8:1:2:ffff::1", p.Email, p.Password), "login")
		b.login("2001:db8:1:3::1", p.Email, p.Password).Must()
		b.login(otherIP, p.Email, p.Password).Must()
	})
}

// One customer has 2⁶⁴ addresses of IPv6, and two spellings of one of IPv4.
func TestIPsOfOneNetworkShareALimit(t *testing.T) {
	t.Parallel()
	b := bootWithLimits(t, dbtest.SQLite(t))
	for _, row := range []struct {
		name    string
		address func(i int) string
		one     bool
	}{
		{"the last bits", func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i) }, true},
		{"all bits of a network", func(i int) string { return fmt.Sprintf("2001:db8:1:3:%x:%x:%x:%x", i, i*7, i*31, i*101) }, true},
		{"spellings", func(i int) string {
			return []string{"2001:db8:1:4::1", "2001:DB8:1:4::1", "2001:0db8:0001:0004:0000:0000:0000:0001", "[2001:db8:1:4::1]:443"}[i%4]
		}, true},
		{"an IPv4 address, also as an IPv6 one", func(i int) string {
			return []string{"192.0.2.77", "::ffff:192.0.2.77", "::ffff:c000:024d", "192.0.2.77:1234"}[i%4]
		}, true},
		{"networks", func(i int) string { return fmt.Sprintf("2001:db8:2:%x::1", i) }, false},
		{"IPv4 addresses", func(i int) string { return fmt.Sprintf("192.0.2.%d", 100+i) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			email := fmt.Sprintf("victim%d@example.com", addressCounter.Add(1))
			for i := range 5 {
				b.failLogins(1, row.address(i), email)
			}
			for i := range 5 {
				got := b.login(row.address(i+5), email, wrongPassword)
				if limited := slices.Equal(got.Codes(), []string{"login RATE_LIMITED"}); limited != row.one {
					t.Errorf("from %s: %s", row.address(i+5), got.Body)
				}
			}
		})
	}
	t.Run("a header that a stranger wrote", func(t *testing.T) {
		b := boot(t, dbtest.SQLite(t), "LIMITS", "on") // no proxy is trusted
		for i := range 5 {
			b.failLogins(1, fmt.Sprintf("192.0.2.%d", i), "victim@example.com")
		}
		wantRateLimited(t, b.login("192.0.2.200", "victim@example.com", wrongPassword), "login")
	})
}

// Whoever fills an account's limit from elsewhere does not lock its owner out (CVE-2024-1722).
func TestExhaustedAccountLimitDoesNotLockOutTheOwner(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		b.exhaustAccountLimit(p.Email)
		wantRateLimited(t, b.login(otherIP, p.Email, p.Password), "login")
		got := b.login(homeIP, p.Email, p.Password).Must() // where the account was made
		owner := &servertest.User{Token: got.Text("login.accessToken")}
		b.Query(owner, `mutation { logoutEverywhere }`).Must()
		b.login(homeIP, p.Email, p.Password).Must() // without any session
		wantRateLimited(t, b.login("192.0.2.2", p.Email, p.Password), "login")
		b.failLogins(5, homeIP, p.Email)
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login") // at home too, nobody guesses without end
		b.Clock.Advance(15 * time.Minute)
		b.login(otherIP, p.Email, p.Password).Must() // some have come back by now
		b.failUntilLimited(t, p.Email)
		b.login(otherIP, p.Email, p.Password).Must()
		b.Clock.Advance(2160*time.Hour - 20*time.Minute)
		b.exhaustAccountLimit(p.Email)
		b.login(otherIP, p.Email, p.Password).Must()
		b.Clock.Advance(40 * time.Minute)
		b.failUntilLimited(t, p.Email)
		wantRateLimited(t, b.login("192.0.2.3", p.Email, p.Password), "login")
	})
}

// A change of address keeps the account's trusted places. Taking it back forgets them, and so does deleting the account.
func TestTrustedIPsFollowAnEmailChange(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p, to := b.registerFrom(homeIP), newAddress()
		b.Query(nil, verifyEmail, "t", b.emailChangeToken(p, to), "p", p.Password).Must()
		b.exhaustAccountLimit(to)
		wantRateLimited(t, b.login(otherIP, to, p.Password), "login")
		owner := &servertest.User{Token: b.login(homeIP, to, p.Password).Must().Text("login.accessToken")}
		if n := b.countTrustedIPs(databaseURL, p); n != 1 {
			t.Errorf("%d trusted places after the change, want 1", n)
		}
		b.Query(nil, verifyEmail, "t", b.tokenOf(p.Email, "/undo-email-change")).Must()
		if n := b.countTrustedIPs(databaseURL, p); n != 0 {
			t.Errorf("%d trusted places after the undo, want none", n)
		}
		wantCodes(t, b.Query(owner, `{ me { id } }`), "me UNAUTHENTICATED")
		b.Query(nil, resetPassword, "t", b.tokenOf(p.Email, "/reset-password"), "p", newPassword).Must()
		owner.Token = b.login(homeIP, p.Email, newPassword).Must().Text("login.accessToken")
		if n := b.countTrustedIPs(databaseURL, p); n != 1 {
			t.Errorf("%d trusted places after a sign-in, want 1", n)
		}
		b.Clock.Advance(73 * time.Hour) // until the change cannot be undone any more
		owner.Token = b.login(homeIP, p.Email, newPassword).Must().Text("login.accessToken")
		b.Query(owner, deleteAccount, "p", newPassword).Must()
		if n := b.countTrustedIPs(databaseURL, p); n != 0 {
			t.Errorf("%d trusted places of a deleted account", n)
		}
	})
}

// countTrustedIPs counts the places that an account trusts.
func (b *testServer) countTrustedIPs(databaseURL string, p *servertest.User) (rows int) {
	b.t.Helper()
	db := servertest.OpenDatabase(b.t.(*testing.T), databaseURL)
	if err := db.QueryRowContext(b.t.Context(), "SELECT COUNT(*) FROM trusted_places WHERE user_id = ?", p.ID).Scan(&rows); err != nil {
		b.t.Fatal(err)
	}
	return rows
}

// failUntilLimited goes on from new addresses until the account's limit is used up.
func (b *testServer) failUntilLimited(t *testing.T, email string) {
	t.Helper()
	for i := range 400 {
		if slices.Equal(b.login(fmt.Sprintf("203.0.%d.%d", 114+i/200, i%200), email, wrongPassword).Codes(), []string{"login RATE_LIMITED"}) {
			return
		}
	}
	t.Fatal("there is no limit by account")
}

// A login that is rolled back was an attempt nevertheless (CVE-2026-35597).
func TestRolledBackLoginsAreCounted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		renameSessionsTable(t, databaseURL)
		for range 5 {
			if got := b.login(homeIP, p.Email, p.Password).Codes(); !slices.Equal(got, []string{"login INTERNAL"}) {
				t.Fatalf("got %q", got)
			}
		}
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
	})
}

// renameSessionsTable takes away the table that a login writes last.
func renameSessionsTable(t *testing.T, databaseURL string) {
	t.Helper()
	driver, dsn := "sqlite3", ""
	if path, ok := models.SQLitePath(databaseURL); ok {
		dsn = "file:" + path
	} else {
		u, err := url.Parse(databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		driver, dsn = "mysql", fmt.Sprintf("%s:%s@tcp(%s)%s", u.User.Username(), password, u.Host, u.Path)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "ALTER TABLE sessions RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
}

// Nobody finds out by the limit who has an account.
func TestUnknownEmailsAreLimitedLikeKnownOnes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(otherIP)
		emails := []string{p.Email, "nobody@example.com", "no address", "\x00", strings.Repeat("x", 300) + "@example.com"}
		b.failLogins(5, homeIP, "one that is no address")
		b.failLogins(5, homeIP, "another one")
		var want []string
		for i, email := range emails {
			var got []string
			for range 7 {
				before := b.internal.Store.Queries()
				a := b.login(fmt.Sprintf("192.0.2.%d", i), email, wrongPassword)
				got = append(got, fmt.Sprintf("%s %s, %d queries", a.Body, a.Header.Get("Retry-After"), b.internal.Store.Queries()-before))
			}
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q\n got %q\nwant %q", email, got, want)
			}
		}
	})
}

func TestServersShareLimits(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		one, two := bootWithLimits(t, databaseURL), bootWithLimits(t, databaseURL)
		one.failLogins(3, homeIP, "ada@example.com")
		two.failLogins(2, homeIP, "ada@example.com")
		for _, b := range []*testServer{one, two, bootWithLimits(t, databaseURL)} { // the third as after a restart
			wantRateLimited(t, b.login(homeIP, "ada@example.com", wrongPassword), "login")
		}
	})
}

func TestConcurrentLoginsAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		one, two := bootWithLimits(t, databaseURL), bootWithLimits(t, databaseURL)
		const n = 50
		answers := make(chan []string, n)
		for i := range n {
			go func() {
				answers <- []*testServer{one, two}[i%2].login(homeIP, "ada@example.com", wrongPassword).Codes()
			}()
		}
		count := map[string]int{}
		for range n {
			count[strings.Join(<-answers, ", ")]++
		}
		if count["login INVALID_CREDENTIALS"] != 5 || count["login RATE_LIMITED"] != n-5 {
			t.Errorf("got %v", count)
		}
	})
}

// Requests may be combined as one likes: each execution of a field counts.
func TestEachFieldExecutionIsCounted(t *testing.T) {
	t.Parallel()
	b := bootWithLimits(t, dbtest.SQLite(t))
	const login = `login(input: {email: "ada@example.com", password: "not the password"}) { tokenType }`
	for _, query := range []string{
		`mutation { ` + login + ` }`,
		`mutation { other: ` + login + ` }`,
		`mutation { ...F } fragment F on Mutation { ` + login + ` }`,
		`mutation { ... on Mutation { ... { ` + login + ` } } }`,
		`mutation($i: Boolean = true) { x: ` + strings.Replace(login, ") {", ") @include(if: $i) {", 1) + ` }`,
	} {
		if got := b.QueryWith(fromIP(homeIP), query); !strings.HasSuffix(strings.Join(got.Codes(), ""), " INVALID_CREDENTIALS") {
			t.Errorf("%s: %s", query, got.Body)
		}
	}
	wantRateLimited(t, b.login(homeIP, "ada@example.com", wrongPassword), "login")
	b.QueryWith(fromIP(homeIP), `mutation { a: `+login+` b: `+login+` c: `+login+` }`)
	skipped := b.QueryWith(fromIP(otherIP), `mutation { `+strings.Replace(login, ") {", ") @skip(if: true) {", 1)+` __typename }`)
	skipped.Must()
	b.failLogins(5, otherIP, "ada@example.com")
}

func TestRegistrationsAreLimited(t *testing.T) {
	t.Parallel()
	b := bootWithLimits(t, dbtest.SQLite(t))
	taken := b.registerFrom(homeIP) // a success counts
	for range 150 {
		b.registerFrom(homeIP)
	}
	for range 149 { // and so does what says that an address is taken
		if got := b.QueryWith(fromIP(homeIP), registerQuery, "e", taken.Email, "p", servertest.Password).Codes(); !slices.Equal(got, []string{"register EMAIL_TAKEN"}) {
			t.Fatalf("%q", got)
		}
		b.QueryWith(fromIP(homeIP), registerQuery, "e", "x", "p", "short") // but not this
	}
	wantRateLimited(t, b.QueryWith(fromIP(homeIP), registerQuery, "e", "one-more@example.com", "p", servertest.Password), "register")
	b.registerFrom(otherIP)
	if _, err := b.internal.Store.UserByEmailKey(t.Context(), "one-more@example.com"); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("registered nevertheless: %v", err)
	}
}

func TestRefreshesAreLimited(t *testing.T) {
	t.Parallel()
	b := bootWithLimits(t, dbtest.SQLite(t))
	d := b.newDevice(b.registerFrom(homeIP), false)
	bad := func() *servertest.Response { return b.QueryWith(fromIP(homeIP), refreshInBody, "t", "x") }
	for range 599 {
		wantCodes(t, bad(), "refresh INVALID_TOKEN")
	}
	for range 10 { // those that succeed take nothing away
		d.refresh = b.QueryWith(fromIP(homeIP), refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken")
	}
	wantCodes(t, bad(), "refresh INVALID_TOKEN")
	b.Clock.Advance(wantRateLimited(t, bad(), "refresh"))
	wantCodes(t, bad(), "refresh INVALID_TOKEN")
}

// A client that sends bad tokens without a pause does not sign its neighbours behind the same NAT out.
func TestInvalidTokensDoNotBlockRefreshesBehindTheSameNAT(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		app, reader := b.newDevice(p, false), b.newBrowser(homeIP)
		reader.signIn(p).Must()
		spent := app.refresh
		for range 2 {
			b.Clock.Advance(time.Minute)
			app.refresh = b.QueryWith(fromIP(homeIP), refreshInBody, "t", app.refresh).Must().Text("refresh.refreshToken")
		}
		b.Clock.Advance(5 * time.Second) // the tokens are not fresh any more
		slot := models.Reservation{
			Name: policy.ByAddress, Rate: limit.Rate{Count: 600, Window: 5 * time.Minute},
			ID: limit.Key("Mutation.refresh", policy.ByAddress, limit.Network(homeIP)),
		}
		for range 600 {
			if _, err := b.internal.Store.Acquire(t.Context(), []models.Reservation{slot}); err != nil {
				t.Fatal(err)
			}
		}
		wantRateLimited(t, b.QueryWith(fromIP(homeIP), refreshInBody, "t", "x"), "refresh")
		wantRateLimited(t, b.QueryWith(fromIP(homeIP), refreshInBody, "t", spent), "refresh")
		parent := app.refresh
		b.QueryWith(fromIP(homeIP), refreshInBody, "t", app.refresh).Must()
		b.QueryWith(fromIP(homeIP), refreshInBody, "t", parent).Must() // within the grace
		reader.send(browserRefresh).Must()
	})
}

func TestPasswordChangesAreLimited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		const change = `mutation($c: String!, $n: String!) { changePassword(input: {currentPassword: $c, newPassword: $n}) }`
		ask := func(ip, current, next string) *servertest.Response {
			header := fromIP(ip)
			header.Set("Authorization", "Bearer "+p.Token)
			return b.QueryWith(header, change, "c", current, "n", next)
		}
		for range 10 { // denied, or wrong in form: not counted
			wantCodes(t, b.QueryWith(fromIP(otherIP), change, "c", "x", "n", "x"), "changePassword UNAUTHENTICATED")
			wantCodes(t, ask(otherIP, p.Password, "short"), "changePassword BAD_USER_INPUT")
		}
		for i := range 20 { // a thief with the token, wherever from
			wantCodes(t, ask(fmt.Sprintf("203.0.113.%d", i/5), wrongPassword, servertest.Password), "changePassword INVALID_CREDENTIALS")
		}
		wantRateLimited(t, ask(otherIP, p.Password, "another good password"), "changePassword")
		if got := ask(homeIP, p.Password, "another good password").Must(); got.At("changePassword") != true {
			t.Error(got.Body)
		}
	})
}

// Off is off, for those who measure.
func TestLimitsOffDisablesLimits(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "LIMITS", "off", "TRUSTED_PROXIES", "127.0.0.1")
	b.failLogins(40, homeIP, "ada@example.com")
}

// What a sign-in costs with its limits: one query that reads them, one each that counts, one each that gives back,
// two that trust the place, and one that writes down what happened; the first time also one that makes the rows. The
// limit of sign-ins that succeed is counted when the password has turned out right. A session is inserted behind a lock,
// and those that are too many are looked for. Whether the place is new takes one query, and three if it is.
func TestLimitedLoginQueryCount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(otherIP)
		known := b.registerFrom(homeIP)
		for _, row := range []struct {
			name, email, password string
			want                  uint64
		}{
			{"wrong for the first time", p.Email, wrongPassword, 1 + 1 + 4 + 1 + 1},
			{"wrong again", p.Email, wrongPassword, 1 + 4 + 1 + 1},
			{"right for the first time", p.Email, p.Password, 1 + 4 + 3 + 3 + 1 + 3 + 3 + 2 + 1 + 1},
			{"right again", p.Email, p.Password, 1 + 4 + 2 + 3 + 1 + 3 + 1 + 2 + 1 + 1},
			{"wrong from a trusted place", known.Email, wrongPassword, 1 + 1 + 4 + 1 + 1},
		} {
			before := b.internal.Store.Queries()
			b.login(homeIP, row.email, row.password)
			if got := b.internal.Store.Queries() - before; got != row.want {
				t.Errorf("%s: %d queries, want %d", row.name, got, row.want)
			}
		}
	})
}

// The limits that the schema is to have; the numbers are promised to clients.
func TestSchemaLimitsMatchTheContract(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	var got []string
	for _, rule := range b.internal.Policy.Rules() {
		if at := graph.Schema().Types[rule.Type].Fields.ForName(rule.Field).Position; strings.Contains("/"+at.Src.Name, "/app/") {
			continue // a product's
		}
		for _, l := range b.internal.Policy.Limits(rule.Type, rule.Field) {
			text := fmt.Sprintf("%s %s %d per %s, successes %v", rule.Field, l.By, l.Count, l.Window, l.Successes)
			if l.SuccessesOnly {
				text += " only"
			}
			if l.Shared != "" {
				text += ", shared as " + l.Shared
			}
			got = append(got, text)
		}
	}
	want := []string{
		"register ADDRESS 300 per 1h0m0s, successes true",
		"register ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"login ACCOUNT_AND_ADDRESS 5 per 15m0s, successes false, shared as password",
		"login ADDRESS 30 per 15m0s, successes false",
		"login ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"login ACCOUNT 100 per 1h0m0s, successes false",
		"login ACCOUNT 60 per 1h0m0s, successes true only",
		"refresh ADDRESS 600 per 5m0s, successes false",
		"refresh SESSION 300 per 5m0s, successes true",
		"accessToken SESSION 600 per 5m0s, successes true",
		"changePassword ACCOUNT_AND_ADDRESS 5 per 15m0s, successes false, shared as password",
		"changePassword ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"changePassword ACCOUNT 20 per 1h0m0s, successes false, shared as password with a session",
		"requestEmailVerification ACCOUNT_AND_ADDRESS 5 per 1h0m0s, successes true",
		"verifyEmail ACCOUNT_AND_ADDRESS 5 per 15m0s, successes false, shared as password",
		"verifyEmail ADDRESS 600 per 5m0s, successes false",
		"verifyEmail ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"verifyEmail ACCOUNT 20 per 1h0m0s, successes false, shared as password with a session",
		"disownEmail ADDRESS 600 per 5m0s, successes false",
		"requestEmailChange ACCOUNT_AND_ADDRESS 5 per 15m0s, successes true",
		"requestEmailChange ACCOUNT_AND_ADDRESS 5 per 15m0s, successes false, shared as password",
		"requestEmailChange ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"requestEmailChange ACCOUNT 20 per 1h0m0s, successes false, shared as password with a session",
		"requestPasswordReset ACCOUNT_AND_ADDRESS 5 per 15m0s, successes true",
		"requestPasswordReset ADDRESS 300 per 1h0m0s, successes true",
		"resetPassword ADDRESS 600 per 5m0s, successes false",
		"resetPassword ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"deleteAccount ACCOUNT_AND_ADDRESS 5 per 15m0s, successes false, shared as password",
		"deleteAccount ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"deleteAccount ACCOUNT 20 per 1h0m0s, successes false, shared as password with a session",
		"deleteUser ACCOUNT_AND_ADDRESS 5 per 15m0s, successes false, shared as password",
		"deleteUser ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"deleteUser ACCOUNT 20 per 1h0m0s, successes false, shared as password with a session",
		"completeSignIn ACCOUNT_AND_ADDRESS 5 per 15m0s, successes false",
		"completeSignIn ACCOUNT 20 per 24h0m0s, successes false",
		"completeSignIn ADDRESS 600 per 15m0s, successes false",
		"confirmIdentity ACCOUNT_AND_ADDRESS 5 per 15m0s, successes false",
		"confirmIdentity ACCOUNT 20 per 1h0m0s, successes false",
		"confirmIdentity ADDRESS 600 per 15m0s, successes true, shared as password hash",
		"enableTotp ACCOUNT 10 per 1h0m0s, successes false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
