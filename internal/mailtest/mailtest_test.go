package mailtest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"fieldgate/internal/mailtest"

	"github.com/emersion/go-smtp"
)

func TestServerTakesConcurrentMessages(t *testing.T) {
	t.Parallel()
	const senders, each = 20, 50
	server := mailtest.Start(t, mailtest.Options{TLS: "none"})
	var all sync.WaitGroup
	for n := range senders {
		all.Go(func() {
			client := dial(t, server)
			for m := range each {
				if err := send(client, fmt.Sprintf("%d-%d@example.com", n, m)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	messages := server.WaitFor(t, senders*each)
	all.Wait()
	seen := map[string]bool{}
	for _, m := range messages {
		seen[m.To] = true
	}
	if len(messages) != senders*each || len(seen) != senders*each || server.Connections() != senders {
		t.Errorf("got %d messages to %d recipients on %d connections", len(messages), len(seen), server.Connections())
	}
	m := messages[0]
	if m.From != "noreply@example.com" || m.Subject != "Grüße" || m.Text != "a\nb\n" || m.HTML != "<p>a=b</p>\n" || m.Header.Get("X-Test") != "1" {
		t.Errorf("got %+v", m)
	}
}

func TestStopAndStartKeepMessages(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{TLS: "none"})
	for n := range 3 {
		before := dial(t, server)
		if err := send(before, "ada@example.com"); err != nil {
			t.Fatal(err)
		}
		server.Stop()
		if err := send(before, "ada@example.com"); err == nil {
			t.Error("a stopped server accepted a message")
		}
		if err := hello(server); err == nil {
			t.Error("a stopped server answered")
		}
		server.Start()
		if got := len(server.Messages()); got != n+1 {
			t.Errorf("got %d messages, want %d", got, n+1)
		}
	}
}

// Otherwise a client would send an accepted message again.
func TestStopAnswersForEveryTakenMessage(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{TLS: "none"})
	var taken atomic.Int64
	for range 50 {
		var senders sync.WaitGroup
		for range 10 {
			client := dial(t, server)
			senders.Go(func() {
				for send(client, "ada@example.com") == nil {
					taken.Add(1)
				}
			})
		}
		server.WaitFor(t, len(server.Messages())+20)
		server.Stop()
		senders.Wait()
		if got := int64(len(server.Messages())); got != taken.Load() {
			t.Fatalf("got %d messages, but answered for %d", got, taken.Load())
		}
		server.Start()
	}
}

// A silent connection must end with the server.
func TestStopEndsSilentConnections(t *testing.T) {
	t.Parallel()
	server := mailtest.Start(t, mailtest.Options{TLS: "none", Mode: mailtest.Silent})
	failed := make(chan error, 3)
	for range cap(failed) {
		go func() { failed <- hello(server) }()
	}
	server.WaitSilent(t, cap(failed))
	server.Stop()
	for range cap(failed) {
		if err := <-failed; err == nil {
			t.Error("a silent server answered")
		}
	}
}

func dial(t *testing.T, server *mailtest.Server) *smtp.Client {
	t.Helper()
	client, err := smtp.Dial(server.Addr())
	if err != nil {
		t.Error(err)
		return smtp.NewClient(nil)
	}
	context.AfterFunc(t.Context(), func() { client.Close() })
	return client
}

func hello(server *mailtest.Server) error {
	client, err := smtp.Dial(server.Addr())
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Hello("test")
}

func send(client *smtp.Client, to string) error {
	if err := client.Mail("noreply@example.com", nil); err != nil {
		return err
	}
	if err := client.Rcpt(to, nil); err != nil {
		return err
	}
	data, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write([]byte(content)); err != nil {
		return err
	}
	return data.Close()
}

const content = "X-Test: 1\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\na\r\nb\r\n\r\n" +
	"--b\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>a=3Db</p>\r\n\r\n--b--\r\n"
