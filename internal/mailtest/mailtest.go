// Package mailtest is an SMTP server for tests, which can also behave as badly
// as real ones do.
//
//	server := mailtest.Start(t, mailtest.Options{})
//	… // sends to server.URL(), trusting server.RootCAs
//	message := server.WaitFor(t, 1)[0]
//
// It listens on a free port of the loopback interface and ends with the test.
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

// Options say what kind of server it is. The zero value offers STARTTLS, takes
// mail from anybody, and knows SMTPUTF8.
type Options struct {
	TLS            string   // as in the URL: starttls (also ""), implicit or none
	User, Password string   // what a client must sign in with; "": nobody signs in
	Mechanisms     []string // of PLAIN, LOGIN and SCRAM-SHA-256; nil: all of them
	NoSTARTTLS     bool     // the URL says starttls, but the server does not offer it
	NoSMTPUTF8     bool
	WrongHost      bool // the certificate is for another host
	Expired        bool // the certificate is of yesterday
	Mode           Mode // stage the start; the zero value is Accept
}

// Server is a running SMTP server. All its methods are for any number of goroutines.
type Server struct {
	RootCAs *x509.CertPool // what a client must trust

	tb         testing.TB
	options    Options
	tls        *tls.Config
	socket     net.Listener // accepts, for as long as the test runs
	queue      chan net.Conn
	closed     chan struct{}
	goroutines sync.WaitGroup // every goroutine of the server

	mu       sync.Mutex
	isDown   bool
	mode     Mode
	conns    map[*conn]struct{}
	sessions sync.WaitGroup // one for each of conns

	messages waitList[Message]
	silences waitList[Stage]
	accepted waitList[struct{}]
}

// Start starts a server, which is stopped when the test ends.
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
	server.ErrorLog = log.New(io.Discard, "", 0) // it is meant to be treated badly
	if s.options.TLS != "none" && !s.options.NoSTARTTLS {
		server.TLSConfig = s.tls
	}
	return server
}

// URL is what the program under test is configured with, as in
// smtp://user:password@127.0.0.1:40025?tls=implicit.
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

// Addr is where the server listens, as in 127.0.0.1:40025.
func (s *Server) Addr() string { return s.socket.Addr().String() }

// SetMode changes how the server behaves from now on, also on open connections.
func (s *Server) SetMode(mode Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// Stop takes the server down: it hangs up on everybody who is connected, and
// from then on on everybody who connects. What it has taken it answers for
// before. When Stop returns, no message comes in any more. The port stays the
// server's own, so that nobody else can get it before Start.
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

// Start brings the server up again after Stop, on the same port, with the messages it had.
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

// Messages returns the messages that have been taken, oldest first.
func (s *Server) Messages() []Message { return s.messages.list() }

// Connections counts the connections that were made so far, less those while the server was down.
func (s *Server) Connections() int { return len(s.accepted.list()) }

// WaitFor returns the messages as soon as there are n of them; without them, the
// test fails after two minutes.
func (s *Server) WaitFor(tb testing.TB, n int) []Message {
	tb.Helper()
	messages, ok := s.messages.wait(tb, n)
	if !ok {
		tb.Fatalf("mailtest: %d messages came in, not %d", len(messages), n)
	}
	return messages
}

// WaitSilent returns when the server has fallen silent n times, by SilentAt.
func (s *Server) WaitSilent(tb testing.TB, n int) {
	tb.Helper()
	if stages, ok := s.silences.wait(tb, n); !ok {
		tb.Fatalf("mailtest: the server fell silent at %v, not %d times", stages, n)
	}
}

// accept owns the socket. It hands connections on to go-smtp through a queue, so
// that the server can be down and keep its port.
func (s *Server) accept() {
	for {
		raw, err := s.socket.Accept()
		if err != nil {
			return
		}
		c := &conn{Conn: raw, server: s, writesLeft: -1}
		if !s.track(c) {
			raw.(*net.TCPConn).SetLinger(0) // a reset, as if nobody listened
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
	if _, there := s.conns[c]; there {
		delete(s.conns, c)
		s.sessions.Done()
	}
}

// deliver adds a message, if the server is not down, and owes its sender the answer from then on.
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

// answered is after the answer to a message, or instead of it.
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

// listener is what go-smtp takes connections from.
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
