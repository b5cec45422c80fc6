// Package mailtest provides an SMTP server for tests, which can simulate the failures of real
// servers.
//
//	server := mailtest.Start(t, mailtest.Options{})
//	… // sends to server.URL(), trusting server.RootCAs
//	message := server.WaitFor(t, 1)[0]
//
// It listens on a free port of the loopback interface and stops with the test.
package mailtest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// Options configure a Server. The zero value offers STARTTLS and SMTPUTF8 and accepts mail without
// authentication.
type Options struct {
	TLS            string   // as in the URL: starttls (the default), implicit or none
	User, Password string   // credentials that a client must send; "": no authentication
	Mechanisms     []string // a subset of PLAIN, LOGIN and SCRAM-SHA-256; nil: all
	NoSTARTTLS     bool     // the URL says starttls, but the server does not offer it
	NoSMTPUTF8     bool
	WrongHost      bool // the certificate is for another host
	Expired        bool // the certificate expired yesterday
	Mode           Mode // at the start; the zero value is Accept
}

// Server is a running SMTP server. Its methods are safe for concurrent use.
type Server struct {
	RootCAs *x509.CertPool // what a client must trust

	tb         testing.TB
	options    Options
	tls        *tls.Config
	socket     net.Listener // accepts connections until the test ends
	queue      chan net.Conn
	closed     chan struct{}
	goroutines sync.WaitGroup // every goroutine of the server

	mu       sync.Mutex
	isDown   bool
	mode     Mode
	conns    map[*conn]struct{}
	sessions sync.WaitGroup // one per connection in conns

	messages waitList[Message]
	silences waitList[Stage]
	accepted waitList[struct{}]
}

// Start starts a server and stops it when the test ends.
func Start(tb testing.TB, options Options) *Server {
	tb.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal("mailtest: ", err)
	}
	certificate, roots, err := newCertificate(options)
	if err != nil {
		tb.Fatal("mailtest: ", err)
	}
	s := &Server{
		RootCAs: roots, tb: tb, options: options, socket: socket, mode: options.Mode,
		queue: make(chan net.Conn), closed: make(chan struct{}), conns: map[*conn]struct{}{},
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}, GetConfigForClient: s.handshake}
	s.goroutines.Go(s.accept)
	s.goroutines.Go(func() { s.smtp().Serve(listener{s}) })
	tb.Cleanup(s.close)
	return s
}

func (s *Server) smtp() *smtp.Server {
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain = "mailtest"
	server.EnableSMTPUTF8 = !s.options.NoSMTPUTF8
	server.AllowInsecureAuth = s.options.TLS == "none" || s.options.NoSTARTTLS
	server.ErrorLog = log.New(io.Discard, "", 0) // the tests provoke errors
	if s.options.TLS != "none" && !s.options.NoSTARTTLS {
		server.TLSConfig = s.tls
	}
	return server
}

// URL returns the SMTP URL to configure, as in smtp://user:password@127.0.0.1:40025?tls=implicit.
func (s *Server) URL() string {
	u := url.URL{Scheme: "smtp", Host: s.Addr()}
	if s.options.User != "" {
		u.User = url.UserPassword(s.options.User, s.options.Password)
	}
	if s.options.TLS != "" {
		u.RawQuery = "tls=" + s.options.TLS
	}
	return u.String()
}

// Addr returns the address that the server listens on, as in 127.0.0.1:40025.
func (s *Server) Addr() string { return s.socket.Addr().String() }

// SetMode changes the server's behavior from now on, also on open connections.
func (s *Server) SetMode(mode Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// Stop takes the server down. It closes all connections and rejects new ones; a message already
// accepted is answered first. No message arrives after Stop returns. The server keeps its port, so
// that no other process can take it before Start.
func (s *Server) Stop() {
	s.mu.Lock()
	s.isDown = true
	for c := range s.conns {
		if !c.owesAnswer {
			c.Conn.Close()
		}
	}
	s.mu.Unlock()
	s.sessions.Wait()
}

// Start brings the server up again after Stop, on the same port and with its messages.
func (s *Server) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isDown = false
}

func (s *Server) close() {
	s.Stop()
	s.socket.Close()
	close(s.closed)
	s.goroutines.Wait()
}

// Messages returns the accepted messages, oldest first.
func (s *Server) Messages() []Message { return s.messages.list() }

// Connections returns the number of accepted connections. Those made while the server was down do
// not count.
func (s *Server) Connections() int { return len(s.accepted.list()) }

// WaitFor returns the messages as soon as n of them have arrived. The test fails after two minutes.
func (s *Server) WaitFor(tb testing.TB, n int) []Message {
	tb.Helper()
	messages, ok := s.messages.wait(tb, n)
	if !ok {
		tb.Fatalf("mailtest: got %d messages, want %d", len(messages), n)
	}
	return messages
}

// WaitSilent waits until a mode of SilentAt has silenced n connections.
func (s *Server) WaitSilent(tb testing.TB, n int) {
	tb.Helper()
	if stages, ok := s.silences.wait(tb, n); !ok {
		tb.Fatalf("mailtest: got silence at %v, want %d times", stages, n)
	}
}

// accept owns the socket. It passes connections to go-smtp through a queue, so that the server can
// be down and keep its port.
func (s *Server) accept() {
	for {
		raw, err := s.socket.Accept()
		if err != nil {
			return
		}
		c := &conn{Conn: raw, server: s, writesLeft: -1}
		if !s.track(c) {
			raw.(*net.TCPConn).SetLinger(0) // a reset, as from a closed port
			raw.Close()
			continue
		}
		if s.options.TLS == "implicit" {
			s.queue <- tls.Server(c, s.tls)
		} else {
			s.queue <- c
		}
	}
}

func (s *Server) track(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDown {
		return false
	}
	s.conns[c] = struct{}{}
	s.sessions.Add(1)
	s.accepted.add(struct{}{})
	return true
}

func (s *Server) untrack(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; ok {
		delete(s.conns, c)
		s.sessions.Done()
	}
}

// deliver stores a message if the server is up. From then on the server owes its sender an answer.
func (s *Server) deliver(c *conn, m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDown {
		return errConnClosed
	}
	c.owesAnswer = true
	s.messages.add(m)
	return nil
}

// answered records that the answer to a message was sent or is not coming.
func (s *Server) answered(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.owesAnswer && s.isDown {
		c.Conn.Close()
	}
	c.owesAnswer = false
}

func (s *Server) currentMode() Mode {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode
}

// listener hands the queued connections to go-smtp.
type listener struct{ server *Server }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.server.queue:
		return c, nil
	case <-l.server.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Addr() net.Addr { return l.server.socket.Addr() }
func (l listener) Close() error   { return nil }
