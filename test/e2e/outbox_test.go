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

// bootWithSMTPServer starts a server that sends its mail to an SMTP server.
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
			t.Errorf("from %s to %s, as %q, TLS %v", m.From, m.To, m.User, m.TLS)
		}
		if from := m.Header.Get("From"); from != `"Example Accounts" <accounts@example.com>` || m.Header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("headers %v", m.Header)
		}
		link := ""
		for line := range strings.Lines(m.Text) {
			if u, err := url.Parse(strings.TrimSpace(line)); err == nil && u.Host == "app.example.com" && u.Query().Has("token") {
				link = u.Query().Get("token")
			}
		}
		b.Query(nil, verifyEmail, "t", link, "p", p.Password).Must()
		if !strings.Contains(m.Text, "Example Accounts") || b.internal.Inbox != nil {
			t.Errorf("the text does not say who writes: %s", m.Text)
		}
	})
}

// Nothing that a person types gets into a header, or into the mail of somebody else.
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
			t.Fatalf("%d mails", len(messages))
		}
		for _, m := range messages {
			if len(m.Header["Bcc"])+len(m.Header["Cc"]) > 0 || len(m.Header["To"]) != 1 || len(m.Header["Subject"]) != 1 || strings.Contains(string(m.Raw), "evil") {
				t.Errorf("%s", m.Raw)
			}
		}
	})
}

// Whatever the mail server does, requests are answered, nothing is lost, and what is sent is sent once.
func TestMailSurvivesMailServerFailures(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		for _, row := range []struct {
			name string
			mode mailtest.Mode
			want int // how many mails come in the end
		}{
			{"hangs up at once", mailtest.DropAt(mailtest.AtGreeting), 1},
			{"refuses the password", mailtest.RefuseLogins(535), 1},
			{"refuses the recipient for now", mailtest.RefuseRecipients(450), 1},
			{"refuses the recipient for good", mailtest.RefuseRecipients(550), 0},
			{"refuses the message for now", mailtest.RefuseMessages(451), 1},
			{"hangs up in the middle of the message", mailtest.DropInData, 1},
			{"hangs up after the message, which it has", mailtest.DropAfterData, 2},
		} {
			t.Run(row.name, func(t *testing.T) {
				server := mailtest.Start(t, mailtest.Options{User: "ada", Password: "secret", Mode: row.mode})
				b := bootWithSMTPServer(t, databaseURL, server)
				p := b.NewUser("USER")
				for range 3 {
					_, _ = b.internal.Mailer.Deliver(t.Context())
				}
				if !b.isSignedIn(p) {
					t.Error("me")
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
					t.Error("the log says the address, or the password")
				}
				if row.want > 0 { // the last one counts
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
		server.WaitSilent(t, 1) // and so is the one who waits for its answer
		b.Query(p, `mutation { requestEmailVerification }`).Must()
		b.Query(nil, requestReset, "e", p.Email).Must()
		if !b.isSignedIn(p) {
			t.Error("me")
		}
		server.Stop()
		cancel()
		running.Wait()
	})
}

// A mail that nobody takes is given up after two days, and the log says so.
func TestMailIsGivenUpAfterTwoDays(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{Mode: mailtest.RefuseRecipients(450)})
		b := bootWithSMTPServer(t, databaseURL, server)
		b.NewUser("USER")
		tries := 0
		for range 48 * 4 {
			b.deliver()
			b.Clock.Advance(15 * time.Minute)
		}
		b.Clock.Advance(time.Hour)
		b.deliver()
		for _, line := range b.Log.Records(b.t) {
			if line["msg"] == "mail waits" {
				tries++
			}
		}
		if n := strings.Count(b.Log.String(), `"mail given up"`); n != 1 || tries < 48 || tries > 200 {
			t.Errorf("given up %d times after %d tries", n, tries)
		}
		server.SetMode(mailtest.Accept)
		b.Clock.Advance(time.Hour)
		b.deliver()
		if len(server.Messages()) != 0 {
			t.Error("sent after it was given up")
		}
	})
}

// In which language somebody is written to is decided by their request.
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
			t.Errorf("%.30q: %s, %q", row.header, got.Language, got.Subject)
		}
	}
}

// germanTemplates is a folder with one text of another language.
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

// Servers that share an outbox, and are killed, and a mail server that comes and goes: every mail arrives, none twice,
// save those in flight at a kill: one on each of a server's two connections.
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
				server.WaitFor(t, len(server.Messages())+1) // so that one may be in flight
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
		// Told to stop, a server ends the mail that it is sending. What the outbox has then would be sent some day.
		for _, p := range []*os.Process{process, replica} {
			if p.Signal(os.Interrupt) != nil { // there are no signals on this system
				kill(t, p)
			} else if _, err := p.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		last := bootWithSMTPServer(t, databaseURL, server)
		last.Clock.Advance(time.Hour)
		last.deliver()
		count(server.Messages())
		twice := 0
		for _, email := range emails {
			if arrived[email] > 1 {
				twice += arrived[email] - 1
			}
			if arrived[email] == 0 {
				t.Errorf("nothing has arrived for %s", email)
			}
		}
		if twice > 2*kills {
			t.Errorf("%d arrived twice, and there were %d kills", twice, kills)
		}
		t.Logf("%d mails, %d twice after %d kills", n, twice, kills)
	})
}

// insertMailRecipients puts accounts into a database, and returns their addresses.
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
			email := fmt.Sprintf("somebody%d@example.com", i)
			emails = append(emails, email)
			u := &models.User{ID: newRowID(), Email: email, EmailKey: email, Name: "Somebody", NameKey: "somebody", Role: "USER", CreatedAt: store.Now(), UpdatedAt: store.Now()}
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

// delayedTransport is a way to a mail server on which something happens before there is a connection.
type delayedTransport struct {
	mail.Transport
	beforeConnect func()
}

func (l delayedTransport) Connect(ctx context.Context) (mail.Conn, error) {
	l.beforeConnect()
	return l.Transport.Connect(ctx)
}

// A server that needs longer for a connection than nobody else may try does not send what another one has sent.
func TestSlowConnectionDoesNotSendAMailTwice(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		b.deliver()
		b.Query(p, changePassword, "c", p.Password, "n", newPassword).Must()
		slow := delayedTransport{b.internal.Inbox, func() { b.Clock.Advance(time.Minute); b.deliver() }}
		if _, err := b.newMailer(slow).Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.mailsTo(p.Email); len(got) != 2 { // the link to verify, and the notice
			t.Errorf("%d mails: %v", len(got), got)
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

// brokenTransport is a way to a mail server that breaks down in the middle of every message, after something has happened.
type brokenTransport struct{ onSend func() }

func (h brokenTransport) Connect(context.Context) (mail.Conn, error) { return h, nil }
func (h brokenTransport) Close() error                               { return nil }
func (h brokenTransport) Send(context.Context, *mail.Message) error {
	h.onSend()
	return errors.New("the connection broke down")
}

// Whoever leaves while a mail to them is being sent is in nobody's way.
func TestDeletedMailDoesNotStopDelivery(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p, _ := b.NewUser("USER"), b.NewUser("USER")
		tries := 0
		broken := brokenTransport{func() {
			if tries++; tries == 1 {
				b.Query(p, deleteAccount, "p", p.Password).Must()
			}
		}}
		if _, err := b.newMailer(broken).Deliver(t.Context()); err != nil || tries != 2 {
			t.Errorf("%d mails were tried, want 2: %v", tries, err)
		}
	})
}

// A link for an account that has another address by now, for which it is not good, goes to nobody.
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
				t.Errorf("%q", m.Subject)
			}
		}
	})
}

func TestResetPasswordCommandMailsALink(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		server := mailtest.Start(t, mailtest.Options{TLS: "none"})
		b := bootWithSMTPServer(t, databaseURL, server, "LIMITS", "on", "TRUSTED_PROXIES", "127.0.0.1")
		p, shut := b.NewUser("USER"), b.NewUser("USER")
		if _, err := b.internal.Accounts.AsOperator().Disable(t.Context(), shut.ID); err != nil {
			t.Fatal(err)
		}
		b.deliver()
		env := map[string]string{"DATABASE_URL": databaseURL, "BCRYPT_COST": "10", "JWT_SECRET": servertest.Secret, "SMTP_URL": server.URL()}
		b.NewUser("USER") // whose mail waits, and is not this command's business
		for _, row := range []struct {
			name, email    string
			mode           mailtest.Mode
			status, mails  int
			stdout, stderr string
		}{
			{"to nobody", "nobody@example.com", mailtest.Accept, 3, 0, "", "nobody has the address"},
			{"to a shut account", shut.Email, mailtest.Accept, 1, 0, "", "enable it first"},
			{"refused for good", p.Email, mailtest.RefuseRecipients(550), 0, 0, "was not mailed yet", "mail refused"},
			{"refused for now", p.Email, mailtest.RefuseRecipients(450), 0, 0, "was not mailed yet", "mail waits"},
			{"without an answer", p.Email, mailtest.DropAt(mailtest.AtGreeting), 0, 0, "as soon as the mail server answers", ""},
			{"taken", p.Email, mailtest.Accept, 0, 1, "a link was mailed to " + p.Email, ""},
		} {
			server.SetMode(row.mode)
			before := len(server.Messages())
			status, stdout, stderr := servertest.RunCLI(t, env, "", "user", "reset-password", row.email)
			if status != row.status || !strings.Contains(stdout, row.stdout) || !strings.Contains(stderr, row.stderr) || len(server.Messages())-before != row.mails {
				t.Errorf("%s: status %d, %d mails\n%s%s", row.name, status, len(server.Messages())-before, stdout, stderr)
			}
		}
		// However many links others have had sent: this one was asked for by whoever runs the server.
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
		if b.deliver(); len(server.Messages()) == before { // what was refused for now may be due again, too
			t.Error("no server would show the link")
		}
	})
}

// A server that is told to stop does not wait for a mail server that says nothing: nothing was sent yet.
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
			t.Error("still waiting")
		}
		silent.Stop()
		<-stopped
	})
}

// refusingTransport is a way to a mail server that says for whom it takes no mail.
type refusingTransport struct{ reply string }

func (r refusingTransport) Connect(context.Context) (mail.Conn, error) { return r, nil }
func (r refusingTransport) Close() error                               { return nil }
func (r refusingTransport) Send(context.Context, *mail.Message) error {
	return &mail.RefusedError{Permanent: true, Reason: r.reply}
}

// A mail server repeats an address as it was told it, with the domain as DNS has it, or in letters of its own choice.
func TestLogRedactsAddressesInMailServerReplies(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.Query(nil, registerAs, "e", "Jo@bücher.example").Must()
		rude := refusingTransport{"550 <Jo@xn--bcher-kva.example> JO@XN--BCHER-KVA.EXAMPLE Jo@bücher.example is unknown"}
		if _, err := b.newMailer(rude).Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if log := strings.ToLower(b.Log.String()); strings.Contains(log, "cher") || !strings.Contains(log, "is unknown") {
			t.Error("the log has the address, or not the answer: " + log)
		}
	})
}
