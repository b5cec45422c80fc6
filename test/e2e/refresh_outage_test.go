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

// A client whose answer was lost in a failover repeats the refresh when the database answers again. The time in which it
// did not answer does not count. TestFailureRefreshGraceEndsAfterAMinute has the bound, in real time.
func TestRefreshGraceExcludesDatabaseOutage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		silence time.Duration // source the database after the refresh
		later   time.Duration // time that passes besides, in which the database answers
		ends    bool          // the retry ends the session
	}{
		{"the retry after 11 s ends the session if the database answered", 0, 11 * time.Second, true},
		{"the retry works after 6 s and a silence of 5 s", 5 * time.Second, 6 * time.Second, false},
		{"the retry ends the session after 14 s and a silence of 5 s", 5 * time.Second, 14 * time.Second, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, operation := range []string{"refresh", "accessToken"} {
				t.Run(operation, func(t *testing.T) {
					t.Parallel()
					testGraceAfterOutage(t, operation, row.silence, row.later, row.ends)
				})
			}
		})
	}
}

// After a failover several tabs refresh at once. The token that they get is as fresh as if there had been no silence, so
// a late answer to one of them cannot bring back a token that another one replaced.
func TestRefreshTokenStaysFreshDuringDatabaseOutage(t *testing.T) {
	t.Parallel()
	b, silence := bootBehindForwarder(t)
	d := b.newUserDevice()
	next := b.mustRefresh(d.refresh)
	silence(6 * time.Second)
	for _, token := range []string{d.refresh, next, d.refresh} {
		if got := b.Query(nil, refreshInBody, "t", token).Must().Text("refresh.refreshToken"); got != next {
			t.Fatal("the token was replaced, although the database answered for less than five seconds since it was made")
		}
	}
	b.Clock.Advance(7 * time.Second)
	if got := b.Query(nil, refreshInBody, "t", next).Must().Text("refresh.refreshToken"); got == next {
		t.Error("the token is not replaced when it is no longer fresh")
	}
}

// bootBehindForwarder boots a server whose database a test can silence for a time.
func bootBehindForwarder(t *testing.T) (b *testServer, silence func(time.Duration)) {
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
		pollUntil(t, "the database was silent", func() bool {
			wantCodes(t, b.Query(witness, `{ me { id } }`), "me UNAVAILABLE")
			return time.Since(begin) >= d
		})
		f.SetTargets(target)
		pollUntil(t, "the database answers again", func() bool {
			return b.Query(witness, `{ me { id } }`).At("me.id") == witness.ID
		})
	}
}

func testGraceAfterOutage(t *testing.T, operation string, silence, later time.Duration, ends bool) {
	b, silenceFor := bootBehindForwarder(t)
	d := b.newUserDevice()
	next := b.mustRefresh(d.refresh)
	if silence > 0 {
		silenceFor(silence)
	}
	b.Clock.Advance(later)
	ask := func(token string) *servertest.Response {
		if operation == "refresh" {
			return b.Query(nil, refreshInBody, "t", token)
		}
		return b.QueryWith(refreshCookieHeader(token), accessToken)
	}
	got := ask(d.refresh)
	if ends {
		wantCodes(t, got, operation+" INVALID_TOKEN")
		wantCodes(t, ask(next), operation+" INVALID_TOKEN")
		if b.isSignedIn(d.User) {
			t.Error("the session goes on after a reuse")
		}
		return
	}
	wantCodes(t, got)
	if operation == "refresh" && got.Text("refresh.refreshToken") != next {
		t.Error("the retry got another successor")
	}
	b.mustRefresh(next) // the client goes on with it, which spends its parent for good
	wantCodes(t, ask(d.refresh), operation+" INVALID_TOKEN")
}

func hostOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func pollUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
