package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/mail"
)

func TestInboxKeepsLastMessages(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	inbox := mail.NewInbox(slog.New(slog.DiscardHandler), 3, func() time.Time { return at })
	conn := connect(t, inbox)
	for n := range 5 {
		if err := conn.Send(t.Context(), newMessage(t, fmt.Sprintf("ada%d@example.com", n+1))); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, received := range inbox.Messages() {
		got = append(got, fmt.Sprint(received.N, received.To, received.At.Equal(at)))
	}
	if want := "[5ada5@example.comtrue 4ada4@example.comtrue 3ada3@example.comtrue]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestInboxLogsLink(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	inbox := mail.NewInbox(slog.New(slog.NewTextHandler(&log, nil)), 10, time.Now)
	if err := connect(t, inbox).Send(t.Context(), newMessage(t, "ada@example.com")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level=INFO", "msg=mail", "to=ada@example.com", `subject="Choose a new password for Fieldgate"`, link} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, &log)
		}
	}
}

func TestInboxRejectsUnsendableMessages(t *testing.T) {
	t.Parallel()
	inbox := mail.NewInbox(slog.New(slog.DiscardHandler), 10, time.Now)
	for name, change := range unsendable {
		m := newMessage(t, "ada@example.com")
		change(m)
		if refused, ok := errors.AsType[*mail.RefusedError](connect(t, inbox).Send(t.Context(), m)); !ok || !refused.Permanent {
			t.Errorf("%s: the message was accepted", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := connect(t, inbox).Send(ctx, newMessage(t, "ada@example.com")); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled context: got %v", err)
	}
	if got := inbox.Messages(); len(got) != 0 {
		t.Errorf("got %+v in the inbox, want nothing", got)
	}
}

func TestInboxIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	inbox := mail.NewInbox(slog.New(slog.DiscardHandler), 10, time.Now)
	m := newMessage(t, "ada@example.com")
	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() {
			conn := connect(t, inbox)
			if err := conn.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
			inbox.Messages()
		})
	}
	senders.Wait()
	if got := inbox.Messages(); len(got) != 10 || got[0].N != 20 {
		t.Errorf("got %d messages, the last with number %d, want 10 and 20", len(got), got[0].N)
	}
}

// unsendable maps a fault to a change that adds it to a message. Each transport must reject the
// message.
var unsendable = map[string]func(*mail.Message){
	"a line break in the subject":      func(m *mail.Message) { m.Subject = "x\r\nBcc: all@example.com" },
	"a NUL in the subject":             func(m *mail.Message) { m.Subject = "x\x00" },
	"no subject":                       func(m *mail.Message) { m.Subject = " " },
	"a subject that is too long":       func(m *mail.Message) { m.Subject = strings.Repeat("x", 1000) },
	"a NUL in the text":                func(m *mail.Message) { m.Text = "x\x00" },
	"no text":                          func(m *mail.Message) { m.Text = "" },
	"no HTML":                          func(m *mail.Message) { m.HTML = "" },
	"no ID":                            func(m *mail.Message) { m.ID = "" },
	"an ID with a line break":          func(m *mail.Message) { m.ID = "1\r\nBcc: all@example.com" },
	"an ID with a closing bracket":     func(m *mail.Message) { m.ID = "1>" },
	"no recipient":                     func(m *mail.Message) { m.To = "" },
	"a line break in the recipient":    func(m *mail.Message) { m.To = "ada@example.com\r\nBcc: all@example.com" },
	"a NUL in the recipient":           func(m *mail.Message) { m.To = "a\x00da@example.com" },
	"two recipients":                   func(m *mail.Message) { m.To = "ada@example.com, bob@example.com" },
	"a recipient with a name":          func(m *mail.Message) { m.To = "Ada <ada@example.com>" },
	"a recipient with a comment":       func(m *mail.Message) { m.To = "ada@example.com (Ada)" },
	"a recipient in quotes":            func(m *mail.Message) { m.To = `"ada bob"@example.com` },
	"a recipient with an SMTP command": func(m *mail.Message) { m.To = "ada@example.com> NOTIFY=NEVER" },
	"a recipient that is not UTF-8":    func(m *mail.Message) { m.To = "ada\xff@example.com" },
	"an invalid domain":                func(m *mail.Message) { m.To = "ada@exa_mple..com" },
}

func connect(t *testing.T, transport mail.Transport) mail.Conn {
	t.Helper()
	conn, err := transport.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
