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

// bootWithLimits starts a server with limits and a stopped clock. It takes the client IP from the
// header that fromIP sets.
func bootWithLimits(t *testing.T, databaseURL string) *testServer {
	t.Helper()
	b := boot(t, databaseURL, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
	b.Clock.Stop() // no bucket refills while the test runs
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

// registerFrom registers an account from an IP and does not sign in again.
func (b *testServer) registerFrom(ip string) *servertest.User {
	b.t.Helper()
	p := &servertest.User{Email: fmt.Sprintf("limited%d@example.com", addressCounter.Add(1)), Password: servertest.Password}
	got := b.QueryWith(fromIP(ip), registerQuery, "e", p.Email, "p", p.Password).Must()
	p.ID, p.Token = got.Text("register.user.id"), got.Text("register.accessToken")
	return p
}

// failLogins sends n wrong passwords and checks that none is rate limited.
func (b *testServer) failLogins(n int, ip, email string) {
	b.t.Helper()
	for i := range n {
		if got := b.login(ip, email, wrongPassword).Codes(); !slices.Equal(got, []string{"login INVALID_CREDENTIALS"}) {
			b.t.Fatalf("attempt %d of %d: %q", i+1, n, got)
		}
	}
}

// exhaustAccountLimit exhausts the limit of an account with 5 wrong passwords from each of 20 IPs.
func (b *testServer) exhaustAccountLimit(email string) {
	b.t.Helper()
	for i := range 20 {
		b.failLogins(5, fmt.Sprintf("203.0.113.%d", i), email)
	}
}

// wantRateLimited checks that a response has one RATE_LIMITED error and no data, and that
// retryAfter and the header agree.
func wantRateLimited(t *testing.T, got *servertest.Response, field string) (retryAfter time.Duration) {
	t.Helper()
	if !slices.Equal(got.Codes(), []string{field + " RATE_LIMITED"}) || got.Status != http.StatusOK || got.At(field) != nil {
		t.Fatalf("got status %d, want %s RATE_LIMITED: %s", got.Status, field, got.Body)
	}
	seconds, _ := got.Errors[0].Extensions["retryAfter"].(float64)
	if seconds < 1 || seconds != float64(int(seconds)) || got.Header.Get("Retry-After") != strconv.Itoa(int(seconds)) {
		t.Errorf("got Retry-After %q, want the seconds of retryAfter: %s", got.Header.Get("Retry-After"), got.Body)
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
			t.Errorf("got %d queries for a limited attempt, want 1 that reads", n)
		}
		// The correct password is limited too, with another spelling of the address.
		wait := wantRateLimited(t, b.login(homeIP, strings.ToUpper(p.Email), p.Password), "login")
		if wait != 3*time.Minute {
			t.Errorf("got a wait of %s, want 3m", wait)
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
				t.Errorf("got log record %v", record)
			}
		}
		if lines != 2 || strings.Contains(b.Log.String(), p.Email) {
			t.Errorf("got %d log lines, want 2 without the address", lines)
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
		for range 40 { // more than the limit by IP
			b.login(homeIP, p.Email, p.Password).Must()
		}
		b.failLogins(1, homeIP, p.Email)
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
	})
}

// A request that is rejected before its password is checked is not counted as an attempt.
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

// One subscriber has 2⁶⁴ IPv6 addresses, and an IPv4 address has several spellings. Each counts as
// one network.
func TestIPsOfOneNetworkShareALimit(t *testing.T) {
	t.Parallel()
	b := bootWithLimits(t, dbtest.SQLite(t))
	for _, row := range []struct {
		name    string
		address func(i int) string
		shared  bool // one limit for all of them
	}{
		{"the last bits", func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i) }, true},
		{
			"all bits of a network",
			func(i int) string { return fmt.Sprintf("2001:db8:1:3:%x:%x:%x:%x", i, i*7, i*31, i*101) },
			true,
		},
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
				if limited := slices.Equal(got.Codes(), []string{"login RATE_LIMITED"}); limited != row.shared {
					t.Errorf("from %s: got limited %t, want %t: %s", row.address(i+5), limited, row.shared, got.Body)
				}
			}
		})
	}
	t.Run("a header of an untrusted client", func(t *testing.T) {
		b := boot(t, dbtest.SQLite(t), "LIMITS", "on") // no proxy is trusted
		for i := range 5 {
			b.failLogins(1, fmt.Sprintf("192.0.2.%d", i), "victim@example.com")
		}
		wantRateLimited(t, b.login("192.0.2.200", "victim@example.com", wrongPassword), "login")
	})
}

// An attacker who exhausts the limit of an account from other IPs does not lock out its owner
// (CVE-2024-1722).
func TestExhaustedAccountLimitDoesNotLockOutTheOwner(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(homeIP)
		b.exhaustAccountLimit(p.Email)
		wantRateLimited(t, b.login(otherIP, p.Email, p.Password), "login")
		// The account trusts the IP that it was registered from.
		got := b.login(homeIP, p.Email, p.Password).Must()
		owner := &servertest.User{Token: got.Text("login.accessToken")}
		b.Query(owner, `mutation { logoutEverywhere }`).Must()
		b.login(homeIP, p.Email, p.Password).Must() // without any session
		wantRateLimited(t, b.login("192.0.2.2", p.Email, p.Password), "login")
		b.failLogins(5, homeIP, p.Email)
		wantRateLimited(t, b.login(homeIP, p.Email, p.Password), "login")
		b.Clock.Advance(15 * time.Minute)
		b.login(otherIP, p.Email, p.Password).Must() // the limit has refilled in part
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

// An e-mail change keeps the account's trusted IPs. Undoing the change deletes them, and so does
// deleting the account.
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
			t.Errorf("got %d trusted IPs after the change, want 1", n)
		}
		b.Query(nil, verifyEmail, "t", b.tokenOf(p.Email, "/undo-email-change")).Must()
		if n := b.countTrustedIPs(databaseURL, p); n != 0 {
			t.Errorf("got %d trusted IPs after the undo, want none", n)
		}
		wantCodes(t, b.Query(owner, `{ me { id } }`), "me UNAUTHENTICATED")
		b.Query(nil, resetPassword, "t", b.tokenOf(p.Email, "/reset-password"), "p", newPassword).Must()
		owner.Token = b.login(homeIP, p.Email, newPassword).Must().Text("login.accessToken")
		if n := b.countTrustedIPs(databaseURL, p); n != 1 {
			t.Errorf("got %d trusted IPs after a sign-in, want 1", n)
		}
		b.Clock.Advance(73 * time.Hour) // the change can no longer be undone
		owner.Token = b.login(homeIP, p.Email, newPassword).Must().Text("login.accessToken")
		b.Query(owner, deleteAccount, "p", newPassword).Must()
		if n := b.countTrustedIPs(databaseURL, p); n != 0 {
			t.Errorf("got %d trusted IPs of a deleted account, want none", n)
		}
	})
}

// countTrustedIPs returns the number of trusted IPs of an account.
func (b *testServer) countTrustedIPs(databaseURL string, p *servertest.User) (rows int) {
	b.t.Helper()
	db := servertest.OpenDatabase(b.t.(*testing.T), databaseURL)
	if err := db.QueryRowContext(b.t.Context(), "SELECT COUNT(*) FROM trusted_places WHERE user_id = ?", p.ID).Scan(&rows); err != nil {
		b.t.Fatal(err)
	}
	return rows
}

// failUntilLimited sends wrong passwords from new IPs until the account's limit is exhausted.
func (b *testServer) failUntilLimited(t *testing.T, email string) {
	t.Helper()
	for i := range 400 {
		if slices.Equal(b.login(fmt.Sprintf("203.0.%d.%d", 114+i/200, i%200), email, wrongPassword).Codes(), []string{"login RATE_LIMITED"}) {
			return
		}
	}
	t.Fatal("400 wrong passwords did not exhaust the account's limit")
}

// A login whose transaction is rolled back is counted as an attempt (CVE-2026-35597).
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

// renameSessionsTable renames the table that a login writes last, so that logins fail.
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

// The limit does not reveal whether an address has an account.
func TestUnknownEmailsAreLimitedLikeKnownOnes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithLimits(t, databaseURL)
		p := b.registerFrom(otherIP)
		emails := []string{p.Email, "nobody@example.com", "no address", "\x00", strings.Repeat("x", 300) + "@example.com"}
		b.failLogins(5, homeIP, "a malformed address")
		b.failLogins(5, homeIP, "another malformed address")
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
		restarted := bootWithLimits(t, databaseURL)
		for _, b := range []*testServer{one, two, restarted} {
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

// Each execution of a field is counted, with any combination of aliases, fragments and directives.
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
	taken := b.registerFrom(homeIP) // a success is counted
	for range 150 {
		b.registerFrom(homeIP)
	}
	for range 149 { // EMAIL_TAKEN is counted
		if got := b.QueryWith(fromIP(homeIP), registerQuery, "e", taken.Email, "p", servertest.Password).Codes(); !slices.Equal(got, []string{"register EMAIL_TAKEN"}) {
			t.Fatalf("%q", got)
		}
		// BAD_USER_INPUT is not counted.
		b.QueryWith(fromIP(homeIP), registerQuery, "e", "x", "p", "short")
	}
	wantRateLimited(t, b.QueryWith(fromIP(homeIP), registerQuery, "e", "one-more@example.com", "p", servertest.Password), "register")
	b.registerFrom(otherIP)
	if _, err := b.internal.Store.UserByEmailKey(t.Context(), "one-more@example.com"); !errors.Is(err, models.ErrNotFound) {
		t.Errorf("got %v, want no account", err)
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
	for range 10 { // successes are not counted
		d.refresh = b.QueryWith(fromIP(homeIP), refreshInBody, "t", d.refresh).Must().Text("refresh.refreshToken")
	}
	wantCodes(t, bad(), "refresh INVALID_TOKEN")
	b.Clock.Advance(wantRateLimited(t, bad(), "refresh"))
	wantCodes(t, bad(), "refresh INVALID_TOKEN")
}

// A client that sends invalid tokens without a pause does not sign out other users behind the same
// NAT.
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
		b.Clock.Advance(5 * time.Second) // the tokens can be rotated again
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
		b.QueryWith(fromIP(homeIP), refreshInBody, "t", parent).Must() // within the grace period
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
		for range 10 { // denied and invalid requests are not counted
			wantCodes(t, b.QueryWith(fromIP(otherIP), change, "c", "x", "n", "x"), "changePassword UNAUTHENTICATED")
			wantCodes(t, ask(otherIP, p.Password, "short"), "changePassword BAD_USER_INPUT")
		}
		for i := range 20 { // an attacker with a stolen token, from several IPs
			wantCodes(t, ask(fmt.Sprintf("203.0.113.%d", i/5), wrongPassword, servertest.Password), "changePassword INVALID_CREDENTIALS")
		}
		wantRateLimited(t, ask(otherIP, p.Password, "another good password"), "changePassword")
		if got := ask(homeIP, p.Password, "another good password").Must(); got.At("changePassword") != true {
			t.Error(got.Body)
		}
	})
}

// LIMITS=off turns off every limit, for measurements.
func TestLimitsOffDisablesLimits(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "LIMITS", "off", "TRUSTED_PROXIES", "127.0.0.1")
	b.failLogins(40, homeIP, "ada@example.com")
}

// The queries of a login with its limits are:
//
//   - one that reads the limits, one for each that counts, and one for each that releases a
//     reservation;
//   - two that trust the IP, and one that writes the audit entry;
//   - the first time, one that inserts the rows of the limits;
//   - for a correct password, one that counts the limit of successful sign-ins, and one that reads
//     the second factors;
//   - a lock and an insert for the session, and one that finds surplus sessions;
//   - one that checks whether the IP is new, and three if it is.
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
			{"wrong from a trusted IP", known.Email, wrongPassword, 1 + 1 + 4 + 1 + 1},
		} {
			before := b.internal.Store.Queries()
			b.login(homeIP, row.email, row.password)
			if got := b.internal.Store.Queries() - before; got != row.want {
				t.Errorf("%s: got %d queries, want %d", row.name, got, row.want)
			}
		}
	})
}

// The limits of the schema are documented for clients, so a change must be deliberate.
func TestSchemaLimitsMatchTheContract(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	var got []string
	for _, rule := range b.internal.Policy.Rules() {
		if at := graph.Schema().Types[rule.Type].Fields.ForName(rule.Field).Position; strings.Contains("/"+at.Src.Name, "/app/") {
			continue // a field of the product
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
