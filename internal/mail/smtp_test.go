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
		{"STARTTLS, and the best mechanism", mailtest.Options{TLS: "starttls", User: "u", Password: "p"}, true, "SCRAM-SHA-256"},
		{"STARTTLS and PLAIN", mailtest.Options{User: "u", Password: "p", Mechanisms: []string{"LOGIN", "PLAIN"}}, true, "PLAIN"},
		{"STARTTLS and LOGIN", mailtest.Options{User: "u", Password: "p", Mechanisms: []string{"LOGIN"}}, true, "LOGIN"},
		{"TLS from the first byte", mailtest.Options{TLS: "implicit"}, true, ""},
		{"TLS from the first byte and SCRAM", mailtest.Options{TLS: "implicit", User: "u", Password: "p"}, true, "SCRAM-SHA-256"},
		{"TLS from the first byte and PLAIN", mailtest.Options{TLS: "implicit", User: "u", Password: "p", Mechanisms: []string{"PLAIN"}}, true, "PLAIN"},
		{"a password with signs", mailtest.Options{User: "u@example.com", Password: "p:@/?#% é,=", Mechanisms: []string{"PLAIN"}}, true, "PLAIN"},
		{"a password with signs and SCRAM", mailtest.Options{User: "u@example.com", Password: "p:@/?#% é,="}, true, "SCRAM-SHA-256"},
		{"in clear", mailtest.Options{TLS: "none"}, false, ""},
		{"in clear, to this machine, with a password", mailtest.Options{TLS: "none", User: "u", Password: "p", Mechanisms: []string{"PLAIN"}}, false, "PLAIN"},
		{"in clear, to this machine, with LOGIN", mailtest.Options{TLS: "none", User: "u", Password: "p", Mechanisms: []string{"LOGIN"}}, false, "LOGIN"},
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
					t.Errorf("TLS %t, %q as %q, SMTPUTF8 %t", m.TLS, m.Mechanism, m.User, m.UTF8)
				}
			}
			if got := server.Connections(); got != 1 {
				t.Errorf("%d connections", got)
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
			t.Errorf("from %s to %s", got.From, got.To)
		}
		if sent[i].Link != "" && strings.Count(got.Text, sent[i].Link) != 1 {
			t.Errorf("the link is not there once: %s", got.Text)
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
			t.Errorf("%s: %q, not %q", name, got, value)
		}
	}
	if date, err := m.Header.Date(); err != nil || time.Since(date).Abs() > time.Hour {
		t.Errorf("Date: %v %v", date, err)
	}
	known := []string{"From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "X-Auto-Response-Suppress", "Mime-Version", "Content-Type"}
	for name := range m.Header {
		if !slices.Contains(known, name) {
			t.Errorf("a header %s: %q", name, m.Header[name])
		}
	}
	for line := range strings.SplitSeq(string(m.Raw), "\r\n") {
		if len(line) > 998 || strings.ContainsFunc(line, func(r rune) bool { return r > 126 || r < 32 && r != '\t' }) {
			t.Errorf("a line that not every server can take: %q", line)
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
		t.Errorf("with SMTPUTF8: %+v", got[0])
	}
	if got[1].UTF8 {
		t.Error("SMTPUTF8 was asked for without need")
	}
	old := mailtest.Start(t, mailtest.Options{NoSMTPUTF8: true})
	conn = connect(t, newTransport(t, old))
	wantRefused(t, conn.Send(t.Context(), newMessage(t, "josé@example.com")), true, "SMTPUTF8")
	if err := conn.Send(t.Context(), newMessage(t, "ada@bücher.example")); err != nil {
		t.Error("a domain beyond ASCII needs no SMTPUTF8:", err)
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
			t.Errorf("%s was taken", name)
		}
	}
	if err := conn.Send(t.Context(), newMessage(t, "ada@example.com")); err != nil {
		t.Error("the connection goes on:", err)
	}
	if got := len(server.Messages()); got != 1 {
		t.Errorf("%d messages came in", got)
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
		{"the recipient for good", mailtest.RefuseRecipients(550), true, "550 not now 5.7.1 (recipient)"},
		{"the recipient for now", mailtest.RefuseRecipients(450), false, "450 not now 4.7.1 (recipient)"},
		{"the sender for good, which is a setting and no message", mailtest.RefuseSenders(553), false, "553 not now 5.7.1 (sender)"},
		{"the sender for now", mailtest.RefuseSenders(451), false, "451 not now 4.7.1 (sender)"},
		{"the command", mailtest.RefuseSenders(500), false, "500 not now 5.7.1 (sender)"},
		{"the message for good", mailtest.RefuseMessages(554), true, "554 not now 5.7.1 (after data)"},
		{"the message for now", mailtest.RefuseMessages(452), false, "452 not now 4.7.1 (after data)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := mailtest.Start(t, mailtest.Options{Mode: test.mode})
			conn := connect(t, newTransport(t, server))
			wantRefused(t, conn.Send(t.Context(), newMessage(t, "ada@example.com")), test.permanent, test.reason)
			server.SetMode(mailtest.Accept)
			if err := conn.Send(t.Context(), newMessage(t, "bob@example.com")); err != nil {
				t.Error("the connection goes on:", err)
			}
			if got := server.WaitFor(t, 1); len(got) != 1 || got[0].To != "bob@example.com" {
				t.Errorf("%d messages came in, the first for %s", len(got), got[0].To)
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
		{"after the message, which it has", mailtest.DropAfterData, 1},
		{"and says so", mailtest.RefuseRecipients(421), 0},
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
				t.Errorf("%d messages came in", got)
			}
			if err := connect(t, smtp).Send(t.Context(), newMessage(t, "ada@example.com")); err != nil {
				t.Error("another connection:", err)
			}
		})
	}
}

var stagesOfConnect = []mailtest.Stage{mailtest.AtGreeting, mailtest.AtHello, mailtest.AtHandshake, mailtest.AtLogin}

var stagesOfSend = []mailtest.Stage{mailtest.AtSender, mailtest.AtRecipient, mailtest.AtData, mailtest.InData, mailtest.AfterData}

// A caller that gives up is let go at once, wherever the server fell silent.
func TestSilentServerEndsWithContext(t *testing.T) {
	t.Parallel()
	for name, silent := range silentServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, try := silent(t, time.Minute)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			failed := make(chan error, 1)
			go func() { failed <- try(ctx) }()
			server.WaitSilent(t, 1)
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "closed network connection") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A caller with all the time in the world is let go too. All wait side by side,
// since this test is the one that takes its time.
func TestSilentServerTimesOut(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for name, silent := range silentServers {
		_, try := silent(t, 2*time.Second)
		all.Go(func() {
			err := try(t.Context())
			if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
	all.Wait()
}

// silentServers makes servers that are silent at each stage, with a function that
// connects to one or sends, and waits for what does not come.
func silentServers(yield func(string, func(*testing.T, time.Duration) (*mailtest.Server, func(context.Context) error)) bool) {
	for _, mode := range []string{"starttls", "implicit"} {
		for _, stage := range slices.Concat(stagesOfConnect, stagesOfSend) {
			if !yield(mode+", "+string(stage), func(t *testing.T, patience time.Duration) (*mailtest.Server, func(context.Context) error) {
				return newSilentServer(t, mode, stage, patience)
			}) {
				return
			}
		}
	}
}

func newSilentServer(t *testing.T, mode string, stage mailtest.Stage, patience time.Duration) (*mailtest.Server, func(context.Context) error) {
	t.Helper()
	server := mailtest.Start(t, mailtest.Options{TLS: mode, User: "u", Password: "p"})
	smtp := newTransport(t, server)
	smtp.SetTimeouts(patience)
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
		t.Errorf("it was heard to the end: %v", err)
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
	for range 20 { // whatever is closed meanwhile is closed too late, now and then
		if err := connect(t, smtp).Send(ctx, newMessage(t, "ada@example.com")); !errors.Is(err, context.Canceled) {
			t.Errorf("Send: %v", err)
		}
	}
	if got := server.Messages(); len(got) != 0 {
		t.Errorf("%d messages came in", len(got))
	}
}

func TestConnectRejectsUntrustedServer(t *testing.T) {
	t.Parallel()
	const user, password = "u", "hunter2-secret"
	tests := []struct {
		name    string
		options mailtest.Options
		roots   *x509.CertPool // "": the server's
		want    string
	}{
		{"STARTTLS, when it is not offered", mailtest.Options{NoSTARTTLS: true, User: user, Password: password}, nil, "STARTTLS"},
		{"a certificate that somebody trusts", mailtest.Options{User: user, Password: password}, x509.NewCertPool(), "unknown authority"},
		{"the same with implicit TLS", mailtest.Options{TLS: "implicit", User: user, Password: password}, x509.NewCertPool(), "unknown authority"},
		{"a certificate for this host", mailtest.Options{WrongHost: true, User: user, Password: password}, nil, "127.0.0.1"},
		{"a certificate of today", mailtest.Options{Expired: true, User: user, Password: password}, nil, "expired"},
		{"the right password", mailtest.Options{User: user, Password: password, Mode: mailtest.RefuseLogins(535)}, nil, "535"},
		{"a way to sign in", mailtest.Options{User: user, Password: password, Mechanisms: []string{}}, nil, "does not support SMTP AUTH"},
		{"a way to sign in that both know", mailtest.Options{User: user, Password: password, Mechanisms: []string{"GSSAPI"}}, nil, "supported authentication mechanism"},
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
				t.Errorf("got %v, want %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error has the password: %v", err)
			}
			// Whatever was sent in clear, no message was, and nobody signed in.
			if got := server.Messages(); len(got) != 0 {
				t.Errorf("%d messages came in", len(got))
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
			t.Errorf("%s: %v", mechanism, err)
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
		t.Error("connected")
	}
	server.Start()
	if err := connect(t, smtp).Send(t.Context(), newMessage(t, "ada@example.com")); err != nil {
		t.Error(err)
	}
}

// Close is for a worker that ends: it must not wait for a server that does not.
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
		{"all that there is", "smtp://u:p@mail.example.com:2525/?tls=implicit", "a@example.com", ""},
		{"an IPv6 address", "smtp://[2001:db8::1]:25", from, ""},
		{"a name of a container", "smtp://mail_pit:1025?tls=none", from, ""},
		{"a password in clear on this machine", "smtp://u:p@localhost:1025?tls=none", from, ""},
		{"a password in clear on this machine, by its address", "smtp://u:p@[::1]?tls=none", from, ""},
		{"a sender with letters beyond ASCII in the domain", ok, "a@bücher.example", ""},
		{"a sender with letters beyond ASCII in the name", ok, `"Größe, Inc." <a@example.com>`, ""},
		{"nothing", "", from, "URL"},
		{"no host", "smtp://", from, "URL"},
		{"another scheme", "smtps://mail.example.com", from, "URL"},
		{"no scheme", "mail.example.com:587", from, "URL"},
		{"a path", "smtp://mail.example.com/inbox", from, "URL"},
		{"a port that is none", "smtp://mail.example.com:0", from, "URL"},
		{"a port beyond all", "smtp://mail.example.com:65536", from, "URL"},
		{"a user without a password", "smtp://hunter2@mail.example.com", from, "URL"},
		{"a password that is not escaped", "smtp://u:hunter2#@mail.example.com", from, "URL"},
		{"a percent sign that is not escaped", "smtp://u:hunter2%@mail.example.com", from, "URL"},
		{"a mode that there is not", ok + "?tls=hunter2", from, "URL"},
		{"two modes", ok + "?tls=none&tls=starttls", from, "URL"},
		{"another parameter", ok + "?hunter2=1", from, "URL"},
		{"a password in clear over a network", "smtp://u:hunter2@mail.example.com?tls=none", from, "URL"},
		{"a password in clear to what only looks like this machine", "smtp://u:hunter2@localhost.example.com?tls=none", from, "URL"},
		{"no sender", ok, "", "From"},
		{"a sender that is no address", ok, "example.com", "From"},
		{"a comma that has no quotes", ok, "Example, Inc. <a@example.com>", "From"},
		{"two senders", ok, "a@example.com, b@example.com", "From"},
		{"a sender with a header behind it", ok, "a@example.com\r\nBcc: b@example.com", "From"},
		{"a sender with letters beyond ASCII before the @", ok, "josé@example.com", "From"},
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
				t.Errorf("got %v", err)
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
		t.Errorf("from %q, %v, %v", got.From, sender, err)
	}
	if want := "<" + m.ID + "@xn--bcher-kva.example>"; got.Header.Get("Message-Id") != want {
		t.Errorf("Message-ID %s, not %s", got.Header.Get("Message-Id"), want)
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
		t.Errorf("got %v, want refused (for good: %t) because %s", err, permanent, reason)
	}
}

// wantConnectionError: the connection has ended, and an error that is none of the server's answers says so.
func wantConnectionError(t *testing.T, err error) {
	t.Helper()
	if _, refused := errors.AsType[*mail.RefusedError](err); err == nil || refused {
		t.Errorf("got %v, want a connection that is gone", err)
	}
}
