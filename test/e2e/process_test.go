package e2e

import (
	"os"
	"slices"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

func kill(t *testing.T, p *os.Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
}

// ageSessions makes every refresh token old enough to be rotated.
func ageSessions(t *testing.T, databaseURL string) {
	t.Helper()
	// The format of both databases.
	before := time.Now().UTC().Add(-6 * time.Second).Format("2006-01-02 15:04:05.000")
	_, err := servertest.OpenDatabase(t, databaseURL).ExecContext(t.Context(),
		"UPDATE sessions SET created_at = ?, rotated_at = CASE WHEN rotated_at IS NULL THEN NULL ELSE ? END", before, before)
	if err != nil {
		t.Fatal(err)
	}
}

// TestAcknowledgedChangesSurviveAKill checks that each acknowledged change is stored although kill
// -9 follows the response at once.
func TestAcknowledgedChangesSurviveAKill(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		const register = `mutation { register(input: {name: "Ada", email: "ada@example.com", password: "` + servertest.Password + `", delivery: BODY}) { accessToken refreshToken user { id } session { id } } }`
		const login = `mutation($p: String!) { login(input: {email: "ada@example.com", password: $p}) { user { id } } }`
		b, process := startProcess(t, databaseURL)
		got := b.Query(nil, register).Must()
		ada := &servertest.User{ID: got.Text("register.user.id"), Email: "ada@example.com", Password: servertest.Password, Token: got.Text("register.accessToken")}
		kill(t, process)

		b, process = startProcess(t, databaseURL)
		if !b.isSignedIn(ada) {
			t.Fatal("the registration is lost")
		}
		reused := b.newDevice(ada, false)
		newest := reused.refresh
		for range 2 {
			ageSessions(t, databaseURL)
			newest = b.mustRefresh(newest)
		}
		wantCodes(t, b.Query(nil, refreshInBody, "t", reused.refresh), "refresh INVALID_TOKEN")
		kill(t, process)

		b, process = startProcess(t, databaseURL)
		if b.isSignedIn(reused.User) {
			t.Error("the revocation of the session is lost")
		}
		wantCodes(t, b.Query(nil, refreshInBody, "t", newest), "refresh INVALID_TOKEN")
		other := b.newDevice(ada, false)
		b.Query(ada, `mutation($c: String!) { changePassword(input: {currentPassword: $c, newPassword: "another good password"}) }`, "c", servertest.Password).Must()
		kill(t, process)

		b, _ = startProcess(t, databaseURL)
		if b.isSignedIn(other.User) || !b.isSignedIn(ada) {
			t.Error("changePassword did not revoke exactly the other sessions")
		}
		if codes := b.Query(nil, login, "p", servertest.Password).Codes(); !slices.Equal(codes, []string{"login INVALID_CREDENTIALS"}) {
			t.Errorf("login with the old password: got %q, want INVALID_CREDENTIALS", codes)
		}
		b.Query(nil, login, "p", "another good password").Must()
	})
}

func TestServerExitsWithStatusZeroOnInterrupt(t *testing.T) {
	t.Parallel()
	_, p := startProcess(t, dbtest.SQLite(t))
	if err := p.Signal(os.Interrupt); err != nil {
		dbtest.SkipOrFail(t, "a signal to another process", "not on this system: "+err.Error())
	}
	state, err := p.Wait()
	if err != nil || state.ExitCode() != 0 {
		t.Errorf("%v, %v", state, err)
	}
}
