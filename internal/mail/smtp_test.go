package mail_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/mail"
	"fieldgate/internal/mailtest"
)

const from = "Fieldgate <noreply@example.com>"

func TestSMTPSendsOverEachTLSModeAndMechanism(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		options   mailtest.Options
		encrypted bool
		mechanism string
	}{
		{"STARTTLS is the default", mailtest.Options{}, true, ""},
		{"STARTTLS with the strongest mechanism", mailtest.Options{TLS: "starttls", User: "u", Password: "p"}, true, "SCRAM-SHA-256"},
		{"STARTTLS and PLAIN", mailtest.Options{User: "u", Password: "p", Mechanisms: []string{"LOGIN", "PLAIN"}}, true, "PLAIN"},
		{"STARTTLS and LOGIN", mailtest.Options{User: "u", Password: "p", Mechanisms: []string{"LOGIN"}}, true, "LOGIN"},
		{"TLS from the first byte", mailtest.Options{TLS: "implicit"}, true, ""},
		{"TLS from the first byte and SCRAM", mailtest.Options{TLS: "implicit", User: "u", Password: "p"}, true, "SCRAM-SHA-256"},
		{"TLS from the first byte and PLAIN", mailtest.Options{TLS: "implicit", User: "u", Password: "p", Mechanisms: []string{"PLAIN"}}, true, "PLAIN"},
		{"a password with special characters", mailtest.Options{User: "u@example.com", Password: "p:@/?#% é,=", Mechanisms: []string{"PLAIN"}}, true, "PLAIN"},
		{"a password with special characters and SCRAM", mailtest.Options{User: "u@example.com", Password: "p:@/?#% é,="}, true, "SCRAM-SHA-256"},
		{"unencrypted", mailtest.Options{TLS: "none"}, false, ""},
		{"unencrypted to this machine, with a password", mailtest.Options{TLS: "none", User: "u", Password: "p", Mechanisms: []string{"PLAIN"}}, false, "PLAIN"},
		{"unencrypted to this machine, with LOGIN", mailtest.Options{TLS: "none", User: "u", Password: "p", Mechanisms: []string{"LOGIN"}}, false, "LOGIN"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.Start(t, test.options)
			conn := connect(t, newTransport(t, server))
			for range 3 {
				if err := conn.Send(t.Context(), newMessage(t, "ada@example.org")); err != nil {
					t.Fatal(err)
				}
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			for _, m := range server.WaitFor(t, 3) {
				if m.TLS != test.encrypted || m.Mechanism != test.mechanism || m.User != test.options.User || m.UTF8 {
					t.Errorf("got TLS %t, mechanism %q, user %q, SMTPUTF8 %t", m.TLS, m.Mechanism, m.User, m.UTF8)
				}
			}
			if got := server.Connections(); got != 1 {
				t.Errorf("got %d connections, want 1", got)
			}
		})
	}
}

func TestSMTPDeliversMessageUnchanged(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	conn := connect(t, newTransport(t, server))
	var sent []*mail.Message
	for _, kind := range mail.Kinds {
		d := sampleData(kind, 2)
		d.Service = "Größe & Söhne"
		if d.NewEmail != "" {
			d.NewEmail = `"><script>alert(1)</script>@example.com`
		}
		m := render(t, builtIn(t), kind, "en", d)
		m.ID, m.To = "0190-"+string(kind), "ada@bücher.example"
		m.Text += "\n.\n..\n" + strings.Repeat("long ", 1000) + "\nQUIT\n"
		sent = append(sent, m)
		if err := conn.Send(t.Context(), m); err != nil {
			t.Fatal(kind, err)
		}
	}
	for i, got := range server.WaitFor(t, len(sent)) {
		if got.Text != sent[i].Text || got.HTML != sent[i].HTML || got.Subject != sent[i].Subject {
			t.Errorf("sent %+v\ngot %+v", sent[i], got)
		}
		if got.From != "noreply@example.com" || got.To != "ada@xn--bcher-kva.example" {
			t.Errorf("got envelope from %s to %s", got.From, got.To)
		}
		if sent[i].Link != "" && strings.Count(got.Text, sent[i].Link) != 1 {
			t.Errorf("want the link exactly once: %s", got.Text)
		}
		wantHeader(t, got, sent[i].ID)
	}
}

func wantHeader(t *testing.T, m mailtest.Message, id string) {
	t.Helper()
	want := map[string]string{
		"From":                     `"Fieldgate" <noreply@example.com>`,
		"To":                       "<ada@xn--bcher-kva.example>",
		"Message-Id":               "<" + id + "@example.com>",
		"Auto-Submitted":           "auto-generated",
		"X-Auto-Response-Suppress": "All",
		"Mime-Version":             "1.0",
	}
	for name, value := range want {
		if got := m.Header[name]; !slices.Equal(got, []string{value}) {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
	if date, err := m.Header.Date(); err != nil || time.Since(date).Abs() > time.Hour {
		t.Errorf("Date: got %v, %v", date, err)
	}
	known := []string{"From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "X-Auto-Response-Suppress", "Mime-Version", "Content-Type"}
	for name := range m.Header {
		if !slices.Contains(known, name) {
			t.Errorf("unexpected header %s: %q", name, m.Header[name])
		}
	}
	for line := range strings.SplitSeq(string(m.Raw), "\r\n") {
		if len(line) > 998 || strings.ContainsFunc(line, func(r rune) bool { return r > 126 || r < 32 && r != '\t' }) {
			t.Errorf("a line that some servers reject: %q", line)
		}
	}
}

func TestNonASCIILocalPartRequiresSMTPUTF8(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	conn := connect(t, newTransport(t, server))
	for _, to := range []string{"josé@example.com", "ada@example.com"} {
		if err := conn.Send(t.Context(), newMessage(t, to)); err != nil {
			t.Fatal(err)
		}
	}
	got := server.WaitFor(t, 2)
	if got[0].To != "josé@example.com" || !got[0].UTF8 || got[0].Header.Get("To") != "<josé@example.com>" {
		t.Errorf("with SMTPUTF8: got %+v", got[0])
	}
	if got[1].UTF8 {
		t.Error("SMTPUTF8 was requested for an ASCII address")
	}
	old := mailtest.Start(t, mailtest.Options{NoSMTPUTF8: true})
	conn = connect(t, newTransport(t, old))
	wantRefused(t, conn.Send(t.Context(), newMessage(t, "josé@example.com")), true, "SMTPUTF8")
	if err := conn.Send(t.Context(), newMessage(t, "ada@bücher.example")); err != nil {
		t.Error("a non-ASCII domain requires no SMTPUTF8:", err)
	}
}

func TestSMTPRejectsUnsendableMessages(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	conn := connect(t, newTransport(t, server))
	for name, change := range unsendable {
		m := newMessage(t, "ada@example.com")
		change(m)
		if refused, ok := errors.AsType[*mail.RefusedError](conn.Send(t.Context(), m)); !ok || !refused.Permanent {
			t.Errorf("%s: the message was accepted", name)
		}
	}
	if err := conn.Send(t.Context(), newMessage(t, "ada@example.com")); err != nil {
		t.Error("the connection must remain usable:", err)
	}
	if got := len(server.Messages()); got != 1 {
		t.Errorf("got %d messages, want 1", got)
	}
}

func TestRefusedMessageKeepsConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		mode      mailtest.Mode
		permanent bool
		reason    string
	}{
		{"recipient, permanently", mailtest.RefuseRecipients(550), true, "550 not now 5.7.1 (recipient)"},
		{"recipient, temporarily", mailtest.RefuseRecipients(450), false, "450 not now 4.7.1 (recipient)"},
		{"sender, permanently, which is a fault of the settings", mailtest.RefuseSenders(553), false, "553 not now 5.7.1 (sender)"},
		{"sender, temporarily", mailtest.RefuseSenders(451), false, "451 not now 4.7.1 (sender)"},
		{"command", mailtest.RefuseSenders(500), false, "500 not now 5.7.1 (sender)"},
		{"message, permanently", mailtest.RefuseMessages(554), true, "554 not now 5.7.1 (after data)"},
		{"message, temporarily", mailtest.RefuseMessages(452), false, "452 not now 4.7.1 (after data)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.Start(t, mailtest.Options{Mode: test.mode})
			conn := connect(t, newTransport(t, server))
			wantRefused(t, conn.Send(t.Context(), newMessage(t, "ada@example.com")), test.permanent, test.reason)
			server.SetMode(mailtest.Accept)
			if err := conn.Send(t.Context(), newMessage(t, "bob@example.com")); err != nil {
				t.Error("the connection must remain usable:", err)
			}
			if got := server.WaitFor(t, 1); len(got) != 1 || got[0].To != "bob@example.com" {
				t.Errorf("got %d messages, the first for %s", len(got), got[0].To)
			}
		})
	}
}

func TestServerHangupEndsConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		mode mailtest.Mode
		came int
	}{
		{"instead of an answer to MAIL", mailtest.DropAt(mailtest.AtSender), 0},
		{"instead of an answer to RCPT", mailtest.DropAt(mailtest.AtRecipient), 0},
		{"instead of an answer to DATA", mailtest.DropAt(mailtest.AtData), 0},
		{"in the middle of a message", mailtest.DropInData, 0},
		{"after the message, which has arrived", mailtest.DropAfterData, 1},
		{"after answering 421", mailtest.RefuseRecipients(421), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.Start(t, mailtest.Options{Mode: test.mode})
			smtp := newTransport(t, server)
			conn := connect(t, smtp)
			wantConnectionError(t, conn.Send(t.Context(), newMessage(t, "ada@example.com")))
			server.SetMode(mailtest.Accept)
			wantConnectionError(t, conn.Send(t.Context(), newMessage(t, "ada@example.com")))
			if got := len(server.Messages()); got != test.came {
				t.Errorf("got %d messages, want %d", got, test.came)
			}
			if err := connect(t, smtp).Send(t.Context(), newMessage(t, "ada@example.com")); err != nil {
				t.Error("a new connection:", err)
			}
		})
	}
}

var stagesOfConnect = []mailtest.Stage{mailtest.AtGreeting, mailtest.AtHello, mailtest.AtHandshake, mailtest.AtLogin}

var stagesOfSend = []mailtest.Stage{mailtest.AtSender, mailtest.AtRecipient, mailtest.AtData, mailtest.InData, mailtest.AfterData}

// Connect and Send return as soon as the context is canceled, at whatever stage the server is
// silent.
func TestSilentServerEndsWithContext(t *testing.T) {
	t.Parallel()
	for name, silent := range silentServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, call := silent(t, time.Minute)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() { failed <- call(ctx) }()
			server.WaitSilent(t, 1)
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "closed network connection") {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
	}
}

// Connect and Send time out without a deadline. The stages run in parallel, because each waits for
// the timeout.
func TestSilentServerTimesOut(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for name, silent := range silentServers {
		_, call := silent(t, 2*time.Second)
		all.Go(func() {
			err := call(t.Context())
			if netError, ok := errors.AsType[net.Error](err); !ok || !netError.Timeout() {
				t.Errorf("%s: got %v, want a timeout", name, err)
			}
		})
	}
	all.Wait()
}

// silentServers yields, for each stage, a function that starts a server silent at that stage. It
// returns the server and a call of Connect or Send that waits for the missing answer.
func silentServers(yield func(string, func(*testing.T, time.Duration) (*mailtest.Server, func(context.Context) error)) bool) {
	for _, mode := range []string{"starttls", "implicit"} {
		for _, stage := range slices.Concat(stagesOfConnect, stagesOfSend) {
			if !yield(mode+", "+string(stage), func(t *testing.T, timeout time.Duration) (*mailtest.Server, func(context.Context) error) {
				return newSilentServer(t, mode, stage, timeout)
			}) {
				return
			}
		}
	}
}

func newSilentServer(t *testing.T, mode string, stage mailtest.Stage, timeout time.Duration) (*mailtest.Server, func(context.Context) error) {
	t.Helper()
	server := mailtest.Start(t, mailtest.Options{TLS: mode, User: "u", Password: "p"})
	smtp := newTransport(t, server)
	smtp.SetTimeouts(timeout)
	if slices.Contains(stagesOfConnect, stage) {
		server.SetMode(mailtest.SilentAt(stage))
		return server, func(ctx context.Context) error { _, err := smtp.Connect(ctx); return err }
	}
	conn, m := connect(t, smtp), newMessage(t, "ada@example.com")
	server.SetMode(mailtest.SilentAt(stage))
	return server, func(ctx context.Context) error { return conn.Send(ctx, m) }
}

func TestEndlessAnswerEndsConnection(t *testing.T) {
	t.Parallel()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	ended := make(chan error, 1)
	go func() {
		c, err := socket.Accept()
		for err == nil {
			_, err = io.WriteString(c, "220-"+strings.Repeat("x", 1000)+"\r\n")
		}
		ended <- err
	}()
	smtp, err := mail.NewSMTP(mail.SMTPConfig{URL: "smtp://" + socket.Addr().String(), From: from})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := smtp.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "too long") || len(err.Error()) > 1000 {
		t.Errorf("got %v, want a short error about the length", err)
	}
	<-ended
}

func TestCanceledContextSendsNothing(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	smtp := newTransport(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := smtp.Connect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Connect: %v", err)
	}
	for range 20 { // repeated: closing may lose the race now and then
		if err := connect(t, smtp).Send(ctx, newMessage(t, "ada@example.com")); !errors.Is(err, context.Canceled) {
			t.Errorf("Send: %v", err)
		}
	}
	if got := server.Messages(); len(got) != 0 {
		t.Errorf("got %d messages, want none", len(got))
	}
}

func TestConnectRejectsUntrustedServer(t *testing.T) {
	t.Parallel()
	const user, password = "u", "hunter2-secret"
	tests := []struct {
		name    string
		options mailtest.Options
		roots   *x509.CertPool // nil: the server's
		want    string
	}{
		{"STARTTLS not offered", mailtest.Options{NoSTARTTLS: true, User: user, Password: password}, nil, "STARTTLS"},
		{"untrusted certificate", mailtest.Options{User: user, Password: password}, x509.NewCertPool(), "unknown authority"},
		{"untrusted certificate with implicit TLS", mailtest.Options{TLS: "implicit", User: user, Password: password}, x509.NewCertPool(), "unknown authority"},
		{"certificate for another host", mailtest.Options{WrongHost: true, User: user, Password: password}, nil, "127.0.0.1"},
		{"expired certificate", mailtest.Options{Expired: true, User: user, Password: password}, nil, "expired"},
		{"rejected password", mailtest.Options{User: user, Password: password, Mode: mailtest.RefuseLogins(535)}, nil, "535"},
		{"no authentication offered", mailtest.Options{User: user, Password: password, Mechanisms: []string{}}, nil, "does not support SMTP AUTH"},
		{"no common mechanism", mailtest.Options{User: user, Password: password, Mechanisms: []string{"GSSAPI"}}, nil, "supported authentication mechanism"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.Start(t, test.options)
			roots := server.RootCAs
			if test.roots != nil {
				roots = test.roots
			}
			smtp, err := mail.NewSMTP(mail.SMTPConfig{URL: server.URL(), From: from, RootCAs: roots})
			if err != nil {
				t.Fatal(err)
			}
			_, err = smtp.Connect(t.Context())
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(test.want)) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want an error with %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error contains the password: %v", err)
			}
			// Nothing but commands was sent, and no client authenticated.
			if got := server.Messages(); len(got) != 0 {
				t.Errorf("got %d messages, want none", len(got))
			}
		})
	}
}

func TestConnectFailsWithWrongPassword(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"} {
		server := mailtest.Start(t, mailtest.Options{User: "u", Password: "p", Mechanisms: []string{mechanism}})
		wrong := strings.Replace(server.URL(), ":p@", ":wrong@", 1)
		smtp, err := mail.NewSMTP(mail.SMTPConfig{URL: wrong, From: from, RootCAs: server.RootCAs})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := smtp.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "535") {
			t.Errorf("%s: got %v, want code 535", mechanism, err)
		}
	}
}

func TestSMTPReconnectsAfterServerRestart(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	smtp := newTransport(t, server)
	conn := connect(t, smtp)
	server.Stop()
	wantConnectionError(t, conn.Send(t.Context(), newMessage(t, "ada@example.com")))
	if _, err := smtp.Connect(t.Context()); err == nil {
		t.Error("connected to a server that is down")
	}
	server.Start()
	if err := connect(t, smtp).Send(t.Context(), newMessage(t, "ada@example.com")); err != nil {
		t.Error(err)
	}
}

// A worker that stops calls Close. It must not wait for a server that is down.
func TestCloseReturnsWhenServerIsDown(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	conn := connect(t, newTransport(t, server))
	server.Stop()
	for range 2 {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	wantConnectionError(t, conn.Send(t.Context(), newMessage(t, "ada@example.com")))
}

func TestCloseDoesNotWaitForAnswer(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{Mode: mailtest.SilentAt(mailtest.AtGoodbye)})
	smtp := newTransport(t, server)
	smtp.SetQuitTimeout(100 * time.Millisecond)
	conn := connect(t, smtp)
	if err := conn.Send(t.Context(), newMessage(t, "ada@example.com")); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	server.WaitSilent(t, 1)
}

func TestNewSMTPValidatesSettings(t *testing.T) {
	t.Parallel()
	const ok = "smtp://mail.example.com"
	tests := []struct{ name, url, from, wrong string }{
		{"a host is enough", ok, from, ""},
		{"all parts", "smtp://u:p@mail.example.com:2525/?tls=implicit", "a@example.com", ""},
		{"an IPv6 address", "smtp://[2001:db8::1]:25", from, ""},
		{"a container name", "smtp://mail_pit:1025?tls=none", from, ""},
		{"an unencrypted password to this machine", "smtp://u:p@localhost:1025?tls=none", from, ""},
		{"an unencrypted password to this machine, by address", "smtp://u:p@[::1]?tls=none", from, ""},
		{"a sender with a non-ASCII domain", ok, "a@bücher.example", ""},
		{"a sender with a non-ASCII name", ok, `"Größe, Inc." <a@example.com>`, ""},
		{"nothing", "", from, "URL"},
		{"no host", "smtp://", from, "URL"},
		{"another scheme", "smtps://mail.example.com", from, "URL"},
		{"no scheme", "mail.example.com:587", from, "URL"},
		{"a path", "smtp://mail.example.com/inbox", from, "URL"},
		{"port 0", "smtp://mail.example.com:0", from, "URL"},
		{"port 65536", "smtp://mail.example.com:65536", from, "URL"},
		{"a user without a password", "smtp://hunter2@mail.example.com", from, "URL"},
		{"a password that is not escaped", "smtp://u:hunter2#@mail.example.com", from, "URL"},
		{"a percent sign that is not escaped", "smtp://u:hunter2%@mail.example.com", from, "URL"},
		{"an unknown mode", ok + "?tls=hunter2", from, "URL"},
		{"two modes", ok + "?tls=none&tls=starttls", from, "URL"},
		{"another parameter", ok + "?hunter2=1", from, "URL"},
		{"an unencrypted password over a network", "smtp://u:hunter2@mail.example.com?tls=none", from, "URL"},
		{"an unencrypted password to a host that looks like this machine", "smtp://u:hunter2@localhost.example.com?tls=none", from, "URL"},
		{"no sender", ok, "", "From"},
		{"a sender without an address", ok, "example.com", "From"},
		{"an unquoted comma", ok, "Example, Inc. <a@example.com>", "From"},
		{"two senders", ok, "a@example.com, b@example.com", "From"},
		{"a sender with a second header", ok, "a@example.com\r\nBcc: b@example.com", "From"},
		{"a sender with non-ASCII letters before the @", ok, "josé@example.com", "From"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := mail.NewSMTP(mail.SMTPConfig{URL: test.url, From: test.from})
			if test.wrong == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			bad, ok := errors.AsType[*mail.SettingError](err)
			if !ok || bad.Setting != test.wrong || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want a SettingError for %s", err, test.wrong)
			}
		})
	}
}

func TestSenderNameIsEncoded(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{})
	smtp, err := mail.NewSMTP(mail.SMTPConfig{URL: server.URL(), From: `"Größe, Inc." <a@bücher.example>`, RootCAs: server.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	m := newMessage(t, "ada@example.com")
	if err := connect(t, smtp).Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := server.WaitFor(t, 1)[0]
	sender, err := netmail.ParseAddress(got.Header.Get("From"))
	if err != nil || sender.Name != "Größe, Inc." || sender.Address != "a@xn--bcher-kva.example" || got.From != sender.Address {
		t.Errorf("got From %q, sender %v, error %v", got.From, sender, err)
	}
	if want := "<" + m.ID + "@xn--bcher-kva.example>"; got.Header.Get("Message-Id") != want {
		t.Errorf("got Message-ID %s, want %s", got.Header.Get("Message-Id"), want)
	}
}

func newTransport(t *testing.T, server *mailtest.Server) *mail.SMTP {
	t.Helper()
	smtp, err := mail.NewSMTP(mail.SMTPConfig{URL: server.URL(), From: from, RootCAs: server.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	return smtp
}

func wantRefused(t *testing.T, err error, permanent bool, reason string) {
	t.Helper()
	refused, ok := errors.AsType[*mail.RefusedError](err)
	if !ok || refused.Permanent != permanent || !strings.Contains(refused.Reason, reason) {
		t.Errorf("got %v, want a RefusedError (permanent: %t) with %s", err, permanent, reason)
	}
}

// wantConnectionError requires an error that ended the connection, other than a refusal.
func wantConnectionError(t *testing.T, err error) {
	t.Helper()
	if _, refused := errors.AsType[*mail.RefusedError](err); err == nil || refused {
		t.Errorf("got %v, want an error that closed the connection", err)
	}
}
