package servertest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"fieldgate/servertest"
)

// Each test shows one part of the package, as the tests of a feature use it.

func TestMain(m *testing.M) { servertest.Main(m) }

// Each row of the table is a subtest, and sees the changes of the rows before it.
func TestScenariosCheckDataAndCodes(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, databaseURL string) {
		s := servertest.Start(t, databaseURL)
		ada := s.NewUser("USER")
		cast := servertest.Cast{"ada": ada, "staff": s.NewUser("STAFF")}
		s.Run(t, cast, []servertest.Scenario{
			{
				Name: "an anonymous request cannot read an account", Query: `{ user(id: "$ADA") { email } }`,
				Data: `{"user": null}`, Codes: []string{"user UNAUTHENTICATED"},
			},
			{
				Name: "STAFF reads an account", As: "staff", Query: `{ user(id: "$ADA") { email } }`,
				Data: `{"user": {"email": "$EMAIL"}}`,
			},
			{
				Name: "a user changes their own name", As: "ada", Query: `mutation { updateProfile(input: {name: "Ada"}) { name } }`,
				Data: `{"updateProfile": {"name": "Ada"}}`,
			},
			{Name: "the new name is stored", As: "ada", Query: `{ me { name } }`, Data: `{"me": {"name": "Ada"}}`},
		}, "$ADA", ada.ID, "$EMAIL", ada.Email)
	})
}

// The test moves the server's clock.
func TestAccessTokensExpire(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.SQLite(t), "ACCESS_TOKEN_TTL", "15m")
	ada := s.NewUser("USER")
	s.Query(ada, `{ me { id } }`).Must()
	s.Clock.Advance(16 * time.Minute)
	s.Query(ada, `{ me { id } }`).WantCodes("me UNAUTHENTICATED")
	again := s.Login(ada)
	if got := s.Query(again, `{ me { id } }`).Must().Text("me.id"); got != ada.ID {
		t.Errorf("signed in as %s, want %s", got, ada.ID)
	}
}

// The inbox keeps the mails with their links.
func TestPasswordResetByMail(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.SQLite(t))
	ada := s.NewUser("USER")
	s.Query(nil, `mutation($e: String!) { requestPasswordReset(email: $e) }`, "e", ada.Email).Must()
	for _, m := range s.Mails(ada.Email) {
		if m.Subject == "" || !strings.Contains(m.Text, m.Link) {
			t.Errorf("mail without its link: %+v", m)
		}
	}
	token := s.MailToken(ada.Email, "/reset-password")
	const reset = `mutation($t: String!, $p: String!) { resetPassword(input: {token: $t, newPassword: $p}) }`
	s.Query(nil, reset, "t", token, "p", "another good password").Must()
	ada.Password = "another good password"
	s.Query(s.Login(ada), `{ me { id } }`).Must()
}

// Environment variables configure a test server, and the test reads its log.
func TestLogHasOneLinePerRequest(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.SQLite(t), "ALLOWED_HOSTS", "api.example.com")
	got := s.Query(nil, `{ __typename }`).Must()
	lines := 0
	for _, record := range s.Log.Records(t) {
		if record["msg"] == "http request" && record["request_id"] == got.Header.Get("X-Request-Id") {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("got %d log lines for the request, want 1:\n%s", lines, s.Log)
	}
	if page := s.Get("/healthz"); page.Status != http.StatusOK || page.Body != "ok\n" {
		t.Errorf("/healthz: got %d %q, want 200 ok", page.Status, page.Body)
	}
}

// Commands run on the database of a running server.
func TestRoleCommandGrantsRole(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, databaseURL string) {
		s := servertest.Start(t, databaseURL)
		ada := s.NewUser("USER")
		s.Query(ada, `{ users { edges { cursor } } }`).WantCodes("users FORBIDDEN")
		env := map[string]string{"DATABASE_URL": databaseURL}
		status, stdout, stderr := servertest.RunCLI(t, env, "", "user", "role", ada.Email, "STAFF")
		if status != 0 || !strings.Contains(stdout, ada.Email) {
			t.Fatalf("status %d: %s%s", status, stdout, stderr)
		}
		s.Query(ada, `{ users { edges { cursor } } }`).Must()
		var role string
		row := servertest.OpenDatabase(t, databaseURL).QueryRowContext(t.Context(), "SELECT role FROM users WHERE id = ?", ada.ID)
		if err := row.Scan(&role); err != nil || role != "STAFF" {
			t.Errorf("got role %q, %v, want STAFF", role, err)
		}
	})
}

// A server in a separate process can be killed. Data that it has confirmed is there afterwards.
func TestCommittedDataSurvivesKill(t *testing.T) {
	t.Parallel()
	databaseURL := servertest.SQLite(t)
	first, process := servertest.StartProcess(t, databaseURL)
	ada := first.NewUser("USER")
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := process.Wait(); err != nil {
		t.Fatal(err)
	}
	second, _ := servertest.StartProcess(t, databaseURL)
	second.UntilReady()
	if got := second.Query(ada, `{ me { email } }`).Must().At("me.email"); got != ada.Email {
		t.Errorf("got me %v, want %s", got, ada.Email)
	}
}

// A response is read by paths, as error codes and as text.
func TestResponsesAreReadByPath(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.SQLite(t))
	got := s.Query(nil, `{ me { id } }`)
	if fmt.Sprint(got.Codes()) != "[me UNAUTHENTICATED]" || got.JSON() != `{"me":null}` || got.At("me.id") != nil {
		t.Errorf("%s: %q, %s", got.Body, got.Codes(), got.JSON())
	}
	if got.Errors[0].Message == "" || len(got.Errors[0].Path) != 1 {
		t.Errorf("errors %+v", got.Errors)
	}
	if _, err := servertest.NewResponse(t, http.StatusOK, nil, "no JSON"); err == nil {
		t.Error("got no error for a body that is not JSON")
	}
}
