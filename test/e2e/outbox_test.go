package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/account"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/mail"
	"fieldgate/internal/mailtest"
	"fieldgate/internal/server"
	"fieldgate/models"
	"fieldgate/servertest"
)

// bootWithSMTPServer starts a server that sends mail to an SMTP test server.
func bootWithSMTPServer(t *testing.T, databaseURL string, server *mailtest.Server, env ...string) *testServer {
	t.Helper()
	b := bootConfig(t, servertest.Config{
		DatabaseURL: databaseURL, MailRoots: server.RootCAs,
		Env: append([]string{"SMTP_URL", server.URL(), "MAIL_FROM", "Example Accounts <accounts@example.com>"}, env...),
	})
	b.smtp = server
	return b
}

func TestMailIsSentOverSMTP(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{User: "ada", Password: "p@ss/word"})
		b := bootWithSMTPServer(t, databaseURL, server, "APP_URL", "https://app.example.com")
		p := b.NewUser("USER")
		b.deliver()
		m := server.WaitFor(t, 1)[0]
		if !m.TLS || m.User != "ada" || m.From != "accounts@example.com" || m.To != p.Email {
			t.Errorf("got a mail from %s to %s, as %q, TLS %v", m.From, m.To, m.User, m.TLS)
		}
		if from := m.Header.Get("From"); from != `"Example Accounts" <accounts@example.com>` || m.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("got the headers %v", m.Header)
		}
		link := ""
		for line := range strings.Lines(m.Text) {
			if u, err := url.Parse(strings.TrimSpace(line)); err == nil && u.Host == "app.example.com" && u.Query().Has("token") {
				link = u.Query().Get("token")
			}
		}
		b.Query(nil, verifyEmail, "t", link, "p", p.Password).Must()
		if !strings.Contains(m.Text, "Example Accounts") || b.internal.Inbox != nil {
			t.Errorf("the text does not name the service, or the inbox is on: %s", m.Text)
		}
	})
}

// TestInputCannotInjectMailHeaders checks that user input reaches neither the headers nor, as a
// name, the text of a mail.
func TestInputCannotInjectMailHeaders(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{})
		b := bootWithSMTPServer(t, databaseURL, server)
		const register = `mutation($n: String!, $e: String!) { register(input: {name: $n, email: $e, password: "` + servertest.Password + `"}) { tokenType } }`
		for _, evil := range []string{"a\r\nBcc: eve@example.com", "a\nBcc: eve@example.com", "a\rb", "a\x00b", "a\u2028b", "a\u0085b"} {
			wantCodes(t, b.Query(nil, register, "n", evil, "e", newAddress()), "register BAD_USER_INPUT")
			for _, email := range []string{evil + "@example.com", "ada@" + evil, "ada@example.com" + evil, `"` + evil + `"@example.com`} {
				wantCodes(t, b.Query(nil, register, "n", "Ada", "e", email), "register BAD_USER_INPUT")
				b.Query(nil, requestReset, "e", email).Must()
			}
		}
		const name = "Win a prize at http://evil.example"
		for i, email := range []string{"ada=?utf-7?q?x?=@x.example", "ada+bcc:eve@x.example", "ada!eve%x@x.example", "jörg@exämple.com", "a'b`c{d}@x.example"} {
			got := b.Query(nil, register, "n", name, "e", email)
			if i > 1 {
				got.Must()
			}
		}
		b.deliver()
		messages := server.Messages()
		if len(messages) != 3 {
			t.Fatalf("%d mails, want 3", len(messages))
		}
		for _, m := range messages {
			if len(m.Header["Bcc"])+len(m.Header["Cc"]) > 0 || len(m.Header["To"]) != 1 || len(m.Header["Subject"]) != 1 || strings.Contains(string(m.Raw), "evil") {
				t.Errorf("the mail has an injected header or text:\n%s", m.Raw)
			}
		}
	})
}

// TestMailSurvivesMailServerFailures checks that requests are answered during mail server failures,
// that no mail is lost, and that a mail is sent again only if its acknowledgment was lost.
func TestMailSurvivesMailServerFailures(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name string
			mode mailtest.Mode
			want int // number of mails after recovery
		}{
			{"closes the connection at once", mailtest.DropAt(mailtest.AtGreeting), 1},
			{"rejects the password", mailtest.RefuseLogins(535), 1},
			{"rejects the recipient temporarily", mailtest.RefuseRecipients(450), 1},
			{"rejects the recipient permanently", mailtest.RefuseRecipients(550), 0},
			{"rejects the message temporarily", mailtest.RefuseMessages(451), 1},
			{"closes the connection within the message", mailtest.DropInData, 1},
			{"closes the connection after storing the message", mailtest.DropAfterData, 2},
		} {
			t.Run(row.name, func(t *testing.T) {
				server := mailtest.Start(t, mailtest.Options{User: "ada", Password: "secret", Mode: row.mode})
				b := bootWithSMTPServer(t, databaseURL, server)
				p := b.NewUser("USER")
				for range 3 {
					_, _ = b.internal.Mailer.Deliver(t.Context())
				}
				if !b.isSignedIn(p) {
					t.Error("me was not answered")
				}
				server.SetMode(mailtest.Accept)
				b.Clock.Advance(time.Minute)
				b.deliver()
				b.deliver()
				got := server.Messages()
				if len(got) != row.want {
					t.Fatalf("%d mails, want %d", len(got), row.want)
				}
				if strings.Contains(b.Log.String(), p.Email) || strings.Contains(b.Log.String(), "secret") {
					t.Error("the log contains the address or the password")
				}
				if row.want > 0 { // the token of the last one is valid
					last := got[len(got)-1]
					_, token, _ := strings.Cut(last.Text, "token=")
					b.Query(nil, verifyEmail, "t", strings.Fields(token)[0], "p", p.Password).Must()
				}
			})
		}
	})
}

func TestUnresponsiveMailServerDoesNotBlockRequests(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{Mode: mailtest.SilentAfterData})
		b := bootWithSMTPServer(t, databaseURL, server)
		var running sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		running.Go(func() { b.internal.Mailer.Run(ctx) })
		p := b.NewUser("USER")
		server.WaitSilent(t, 1) // the mailer waits for its answer
		b.Query(p, `mutation { requestEmailVerification }`).Must()
		b.Query(nil, requestReset, "e", p.Email).Must()
		if !b.isSignedIn(p) {
			t.Error("me was not answered")
		}
		server.Stop()
		cancel()
		running.Wait()
	})
}

func TestMailIsGivenUpAfterTwoDays(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{Mode: mailtest.RefuseRecipients(450)})
		b := bootWithSMTPServer(t, databaseURL, server)
		b.NewUser("USER")
		attempts := 0
		for range 48 * 4 {
			b.deliver()
			b.Clock.Advance(15 * time.Minute)
		}
		b.Clock.Advance(time.Hour)
		b.deliver()
		for _, line := range b.Log.Records(b.t) {
			if line["msg"] == "mail waits" {
				attempts++
			}
		}
		if n := strings.Count(b.Log.String(), `"mail given up"`); n != 1 || attempts < 48 || attempts > 200 {
			t.Errorf("given up %d times after %d attempts, want once after 48 to 200", n, attempts)
		}
		server.SetMode(mailtest.Accept)
		b.Clock.Advance(time.Hour)
		b.deliver()
		if len(server.Messages()) != 0 {
			t.Error("a mail was sent after it was given up")
		}
	})
}

// TestMailUsesTheLanguageOfTheRequest checks that Accept-Language selects the template of a mail.
func TestMailUsesTheLanguageOfTheRequest(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "MAIL_TEMPLATES", germanTemplates(t))
	p := b.NewUser("USER")
	b.deliver()
	for _, row := range []struct{ header, want string }{
		{"", "en"}, {"de-AT, en;q=0.5", "de"}, {"fr, de;q=0.1", "de"}, {"en-GB, de;q=0.9", "en"}, {"xx", "en"}, {strings.Repeat("de;", 20_000), "en"},
	} {
		b.QueryWith(map[string][]string{"Accept-Language": {row.header}}, requestReset, "e", p.Email)
		if got := b.mailsTo(p.Email)[0]; got.Language != row.want && len(row.header) < 1000 || (got.Subject == "Neues Kennwort") != (got.Language == "de") {
			t.Errorf("Accept-Language %.30q: got %s, %q, want %s", row.header, got.Language, got.Subject, row.want)
		}
	}
}

// germanTemplates returns a folder with one German template.
func germanTemplates(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"reset-password.txt":  "Subject: Neues Kennwort\n\nHier wählen Sie ein neues:\n\n{{.Link}}\n",
		"reset-password.html": `<p><a href="{{.Link}}">Neues Kennwort wählen</a></p>`,
	} {
		err := errors.Join(os.MkdirAll(filepath.Join(dir, "de"), 0o755), os.WriteFile(filepath.Join(dir, "de", name), []byte(text), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMailArrivesOnceAcrossKills checks that every mail arrives while servers that share an outbox
// are killed and the mail server stops. Only mails in flight at a kill arrive twice: at most one on
// each of a server's two connections.
func TestMailArrivesOnceAcrossKills(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		n := 50
		if dbtest.Exhaustive() {
			n = 1000
		}
		server := mailtest.Start(t, mailtest.Options{TLS: "none"})
		const kills = 2
		env := []string{"SMTP_URL=" + server.URL(), "LIMITS=off"}
		b, process := startProcess(t, databaseURL, env...)
		emails := insertMailRecipients(t, databaseURL, n)
		for i, email := range emails {
			b.Query(nil, requestReset, "e", email).Must()
			switch i {
			case n / 5, 3 * n / 5:
				server.Stop()
			case 2 * n / 5, 4 * n / 5:
				server.Start()
				server.WaitFor(t, len(server.Messages())+1) // so that a mail may be in flight
				kill(t, process)
				b, process = startProcess(t, databaseURL, env...)
			}
		}
		_, replica := startProcess(t, databaseURL, env...)
		arrived := map[string]int{}
		count := func(messages []mailtest.Message) {
			clear(arrived)
			for _, m := range messages {
				arrived[m.To]++
			}
		}
		for wanted := n; len(arrived) < n; wanted++ {
			count(server.WaitFor(t, wanted))
		}
		// A server that stops finishes the mail that it is sending. The last server shows what is
		// left in the outbox.
		for _, p := range []*os.Process{process, replica} {
			if p.Signal(os.Interrupt) != nil { // this system has no signals
				kill(t, p)
			} else if _, err := p.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		last := bootWithSMTPServer(t, databaseURL, server)
		last.Clock.Advance(time.Hour)
		last.deliver()
		count(server.Messages())
		duplicates := 0
		for _, email := range emails {
			if arrived[email] > 1 {
				duplicates += arrived[email] - 1
			}
			if arrived[email] == 0 {
				t.Errorf("no mail to %s has arrived", email)
			}
		}
		if duplicates > 2*kills {
			t.Errorf("%d duplicates after %d kills, want at most %d", duplicates, kills, 2*kills)
		}
		t.Logf("%d mails, %d duplicates after %d kills", n, duplicates, kills)
	})
}

// insertMailRecipients inserts n accounts and returns their addresses.
func insertMailRecipients(t *testing.T, databaseURL string, n int) (emails []string) {
	t.Helper()
	store, err := models.Open(databaseURL, models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.Transaction(t.Context(), func(tx *models.Store) error {
		emails = nil
		for i := range n {
			email := fmt.Sprintf("recipient%d@example.com", i)
			emails = append(emails, email)
			u := &models.User{ID: newRowID(), Email: email, EmailKey: email, Name: "Ada", NameKey: "ada", Role: "USER", CreatedAt: store.Now(), UpdatedAt: store.Now()}
			if err := tx.CreateUser(t.Context(), u); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return emails
}

// delayedTransport calls beforeConnect before it connects.
type delayedTransport struct {
	mail.Transport
	beforeConnect func()
}

func (l delayedTransport) Connect(ctx context.Context) (mail.Conn, error) {
	l.beforeConnect()
	return l.Transport.Connect(ctx)
}

// TestSlowConnectionDoesNotSendAMailTwice checks that a mailer whose connection takes longer than
// its lease on a mail does not send what another mailer has sent meanwhile.
func TestSlowConnectionDoesNotSendAMailTwice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		b.deliver()
		b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
		delayed := delayedTransport{b.internal.Inbox, func() { b.Clock.Advance(time.Minute); b.deliver() }}
		if _, err := b.newMailer(delayed).Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.mailsTo(p.Email); len(got) != 2 { // the verification link and the notice
			t.Errorf("%d mails, want 2: %v", len(got), got)
		}
	})
}

// newMailer returns a second mailer on the server's database.
func (b *testServer) newMailer(transport mail.Transport) *account.Mailer {
	b.t.Helper()
	texts, err := mail.LoadTemplates("")
	if err != nil {
		b.t.Fatal(err)
	}
	return account.NewMailer(account.MailerConfig{
		Store: b.internal.Store, Templates: texts, Transport: transport, Log: b.internal.Log, AppURL: b.internal.Config.AppURL, Service: "Fieldgate",
	})
}

// brokenTransport calls onSend and then fails each mail.
type brokenTransport struct{ onSend func() }

func (h brokenTransport) Connect(context.Context) (mail.Conn, error) { return h, nil }
func (h brokenTransport) Close() error                               { return nil }
func (h brokenTransport) Send(context.Context, *mail.Message) error {
	h.onSend()
	return errors.New("the connection broke")
}

// TestDeletedMailDoesNotStopDelivery checks that delivery goes on when an account is deleted while
// a mail to it is being sent.
func TestDeletedMailDoesNotStopDelivery(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p, _ := b.NewUser("USER"), b.NewUser("USER")
		attempts := 0
		broken := brokenTransport{func() {
			if attempts++; attempts == 1 {
				b.Query(p, deleteAccount, "p", p.Password).Must()
			}
		}}
		if _, err := b.newMailer(broken).Deliver(t.Context()); err != nil || attempts != 2 {
			t.Errorf("%d attempts, want 2: %v", attempts, err)
		}
	})
}

// TestResetLinkIsNotSentToAChangedAddress checks that a queued reset link is not sent after the
// account's address changed: the change revoked it.
func TestResetLinkIsNotSentToAChangedAddress(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p, to := b.NewUser("USER"), newAddress()
		token := b.emailChangeToken(p, to)
		if _, err := b.internal.Accounts.SendPasswordReset(t.Context(), p.Email); err != nil {
			t.Fatal(err)
		}
		b.Query(nil, verifyEmail, "t", token, "p", p.Password).Must()
		for _, m := range b.mailsTo(to) {
			if strings.Contains(m.Link, "/reset-password") {
				t.Errorf("%q was sent to the new address", m.Subject)
			}
		}
	})
}

func TestResetPasswordCommandMailsALink(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{TLS: "none"})
		b := bootWithSMTPServer(t, databaseURL, server, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		p, disabled := b.NewUser("USER"), b.NewUser("USER")
		if _, err := b.internal.Accounts.AsOperator().Disable(t.Context(), disabled.ID); err != nil {
			t.Fatal(err)
		}
		b.deliver()
		env := map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret, "SMTP_URL": server.URL()}
		b.NewUser("USER") // its queued mail is not sent by the command
		for _, row := range []struct {
			name, email    string
			mode           mailtest.Mode
			status, mails  int
			stdout, stderr string
		}{
			{"an unknown address", "nobody@example.com", mailtest.Accept, 3, 0, "", "no account has the address"},
			{"a disabled account", disabled.Email, mailtest.Accept, 1, 0, "", "enable it first"},
			{"rejected permanently", p.Email, mailtest.RefuseRecipients(550), 0, 0, "was not mailed yet", "mail refused"},
			{"rejected temporarily", p.Email, mailtest.RefuseRecipients(450), 0, 0, "was not mailed yet", "mail waits"},
			{"mail server unreachable", p.Email, mailtest.DropAt(mailtest.AtGreeting), 0, 0, "a running server will try again", ""},
			{"accepted", p.Email, mailtest.Accept, 0, 1, "mailed a link to " + p.Email, ""},
		} {
			server.SetMode(row.mode)
			before := len(server.Messages())
			status, stdout, stderr := servertest.RunCLI(t, env, "", "user", "reset-password", row.email)
			if status != row.status || !strings.Contains(stdout, row.stdout) || !strings.Contains(stderr, row.stderr) || len(server.Messages())-before != row.mails {
				t.Errorf("%s: status %d, %d mails\n%s%s", row.name, status, len(server.Messages())-before, stdout, stderr)
			}
		}
		// The operator's command is not subject to the limit of mails that clients caused.
		for i := range 12 {
			b.QueryWith(http.Header{"X-Forwarded-For": {fmt.Sprintf("192.0.2.%d", i)}}, requestReset, "e", p.Email).Must()
		}
		b.deliver()
		before := len(server.Messages())
		if _, stdout, stderr := servertest.RunCLI(t, env, "", "user", "reset-password", p.Email); len(server.Messages()) != before+1 {
			t.Errorf("%s%s", stdout, stderr)
		}
		env["ENV"], env["PUBLIC_URL"] = "production", "https://api.example.com"
		delete(env, "SMTP_URL")
		if status, _, stderr := servertest.RunCLI(t, env, "", "user", "reset-password", p.Email); status != 1 || !strings.Contains(stderr, "SMTP_URL") {
			t.Errorf("without a mail server: status %d, %s", status, stderr)
		}
		delete(env, "ENV")
		before = len(server.Messages())
		if status, stdout, stderr := servertest.RunCLI(t, env, "", "user", "reset-password", p.Email); status != 0 || !strings.Contains(stdout, "https://api.example.com/dev/mail") {
			t.Errorf("in development: status %d, %s%s", status, stdout, stderr)
		}
		if b.deliver(); len(server.Messages()) == before { // a temporarily rejected mail may be due again
			t.Error("the outbox has no mail for a server to show")
		}
	})
}

// TestStopDoesNotWaitForTheMailServer checks that a server that stops does not wait for a mail
// server that never responds: nothing was sent yet.
func TestStopDoesNotWaitForTheMailServer(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		silent := mailtest.Start(t, mailtest.Options{Mode: mailtest.Silent})
		b := bootWithSMTPServer(t, databaseURL, silent)
		b.NewUser("USER")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			b.internal.Mailer.Run(ctx)
		}()
		silent.WaitSilent(t, 1)
		cancel()
		select {
		case <-stopped:
		case <-time.After(server.DrainTimeout):
			t.Error("the mailer is still running")
		}
		silent.Stop()
		<-stopped
	})
}

// refusingTransport rejects every recipient permanently with a reply.
type refusingTransport struct{ reply string }

func (r refusingTransport) Connect(context.Context) (mail.Conn, error) { return r, nil }
func (r refusingTransport) Close() error                               { return nil }
func (r refusingTransport) Send(context.Context, *mail.Message) error {
	return &mail.RefusedError{Permanent: true, Reason: r.reply}
}

// TestLogRedactsAddressesInMailServerReplies checks that the log omits an address in every form in
// which a mail server repeats it: as sent, with the domain in Punycode, in other case.
func TestLogRedactsAddressesInMailServerReplies(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.Query(nil, registerAs, "e", "Jo@bücher.example").Must()
		quoting := refusingTransport{"550 <Jo@xn--bcher-kva.example> JO@XN--BCHER-KVA.EXAMPLE Jo@bücher.example is unknown"}
		if _, err := b.newMailer(quoting).Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if log := strings.ToLower(b.Log.String()); strings.Contains(log, "cher") || !strings.Contains(log, "is unknown") {
			t.Error("the log contains the address, or not the reply: " + log)
		}
	})
}
