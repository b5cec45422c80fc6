//go:build unix

package e2e

import (
	"net/url"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

// TestRefreshGraceExcludesDatabaseOutage checks that the grace period of a rotated token does not
// run while the database is unreachable: a client whose response was lost in a failover can repeat
// the refresh. TestFailureRefreshGraceEndsAfterAMinute checks the upper bound in real time.
func TestRefreshGraceExcludesDatabaseOutage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		outage  time.Duration // of the database after the refresh
		later   time.Duration // additional time, in which the database answers
		revokes bool          // the retry revokes the session
	}{
		{"a retry after 11 s revokes the session if the database answered", 0, 11 * time.Second, true},
		{"a retry after 6 s and an outage of 5 s works", 5 * time.Second, 6 * time.Second, false},
		{"a retry after 14 s and an outage of 5 s revokes the session", 5 * time.Second, 14 * time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, operation := range []string{"refresh", "accessToken"} {
				t.Run(operation, func(t *testing.T) {
					t.Parallel()
					testGraceAfterOutage(t, operation, row.outage, row.later, row.revokes)
				})
			}
		})
	}
}

// TestRefreshTokenStaysFreshDuringDatabaseOutage checks that an outage does not age a token:
// several tabs that refresh after a failover get the same one. Otherwise a delayed response could
// restore a token that another tab has rotated.
func TestRefreshTokenStaysFreshDuringDatabaseOutage(t *testing.T) {
	t.Parallel()
	b, outage := bootBehindForwarder(t)
	d := b.newUserDevice()
	next := b.mustRefresh(d.refresh)
	outage(6 * time.Second)
	for _, token := range []string{d.refresh, next, d.refresh} {
		if got := b.Query(nil, refreshInBody, "t", token).Must().Text("refresh.refreshToken"); got != next {
			t.Fatal("the token was rotated although the database answered for less than five seconds since its creation")
		}
	}
	b.Clock.Advance(7 * time.Second)
	if got := b.Query(nil, refreshInBody, "t", next).Must().Text("refresh.refreshToken"); got == next {
		t.Error("a token that is no longer fresh was not rotated")
	}
}

// bootBehindForwarder starts a server and returns a function that makes its database unreachable
// for a time.
func bootBehindForwarder(t *testing.T) (b *testServer, outage func(time.Duration)) {
	t.Helper()
	databaseURL := dbtest.MySQL(t)
	target := hostOf(t, databaseURL)
	f := clustertest.Forward(t, target)
	b = boot(t, f.URL(databaseURL))
	witness := b.NewUser("USER")
	return b, func(d time.Duration) {
		f.SetTargets()
		f.Cut()
		begin := time.Now()
		pollUntil(t, "the database was unreachable", func() bool {
			wantCodes(t, b.Query(witness, `{ me { id } }`), "me UNAVAILABLE")
			return time.Since(begin) >= d
		})
		f.SetTargets(target)
		pollUntil(t, "the database answers again", func() bool {
			return b.Query(witness, `{ me { id } }`).At("me.id") == witness.ID
		})
	}
}

func testGraceAfterOutage(t *testing.T, operation string, outage, later time.Duration, revokes bool) {
	b, interrupt := bootBehindForwarder(t)
	d := b.newUserDevice()
	next := b.mustRefresh(d.refresh)
	if outage > 0 {
		interrupt(outage)
	}
	b.Clock.Advance(later)
	send := func(token string) *servertest.Response {
		if operation == "refresh" {
			return b.Query(nil, refreshInBody, "t", token)
		}
		return b.QueryWith(refreshCookieHeader(token), accessToken)
	}
	got := send(d.refresh)
	if revokes {
		wantCodes(t, got, operation+" INVALID_TOKEN")
		wantCodes(t, send(next), operation+" INVALID_TOKEN")
		if b.isSignedIn(d.User) {
			t.Error("the session is still valid after a reuse")
		}
		return
	}
	wantCodes(t, got)
	if operation == "refresh" && got.Text("refresh.refreshToken") != next {
		t.Error("the retry returned another successor")
	}
	b.mustRefresh(next) // its use ends the grace period of its parent
	wantCodes(t, send(d.refresh), operation+" INVALID_TOKEN")
}

func hostOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// pollUntil polls a condition and fails the test after a minute.
func pollUntil(t *testing.T, condition string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", condition)
		}
	}
}
