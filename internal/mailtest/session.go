package mailtest

import (
	"crypto/tls"
	"fmt"
	"io"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// session handles the commands of one connection for go-smtp. Each answer applies the mode first.
type session struct {
	conn      *conn
	options   Options
	user      string // the authenticated user
	mechanism string // the authentication mechanism
	tls, utf8 bool
	from, to  string
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	raw := c.Conn()
	_, encrypted := raw.(*tls.Conn)
	if encrypted {
		raw = raw.(*tls.Conn).NetConn()
	}
	session := &session{conn: raw.(*conn), options: s.options, tls: encrypted}
	return session, session.checkMode(AtHello)
}

// handshake runs when a client has begun the TLS handshake.
func (s *Server) handshake(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	return nil, hello.Conn.(*conn).applyMode(AtHandshake)
}

// checkMode returns the error that the mode requires at a stage, or nil.
func (s *session) checkMode(at Stage) error {
	if err := s.conn.applyMode(at); err != nil {
		return err
	}
	if mode := s.conn.server.currentMode(); mode.stage == at && mode.code != 0 {
		return mode.smtpError()
	}
	return nil
}

func (m Mode) smtpError() error {
	return &smtp.SMTPError{
		Code: m.code, EnhancedCode: smtp.EnhancedCode{m.code / 100, 7, 1},
		Message: fmt.Sprintf("not now\n(%s)", m.stage), // two lines, as real servers send
	}
}

func (s *session) AuthMechanisms() []string {
	switch {
	case s.options.User == "":
		return nil
	case s.options.Mechanisms == nil:
		return []string{sasl.Plain, sasl.Login, scramSHA256}
	}
	return s.options.Mechanisms
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if err := s.checkMode(AtLogin); err != nil {
		return nil, err
	}
	check := func(user, password string) error {
		if user != s.options.User || password != s.options.Password {
			return smtp.ErrAuthFailed
		}
		s.user, s.mechanism = user, mechanism
		return nil
	}
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	case scramSHA256:
		return &scramServer{user: s.options.User, password: s.options.Password, check: check}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *session) Mail(from string, options *smtp.MailOptions) error {
	if s.options.User != "" && s.user == "" {
		return smtp.ErrAuthRequired
	}
	if s.from != "" { // as real servers do
		return &smtp.SMTPError{Code: 503, EnhancedCode: smtp.EnhancedCode{5, 5, 1}, Message: "nested MAIL command"}
	}
	if err := s.checkMode(AtSender); err != nil {
		return err
	}
	s.from, s.utf8 = from, options.UTF8
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.checkMode(AtRecipient); err != nil {
		return err
	}
	s.to = to
	if mode := s.conn.server.currentMode(); mode.stage == AtData {
		// One more write: the answer to RCPT. The answer to DATA does not come from the session.
		s.conn.writesLeft, s.conn.finalMode = 1, mode
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	mode := s.conn.server.currentMode() // read once: it may change concurrently
	if mode.stage == InData {
		io.ReadFull(r, make([]byte, 100))
		return s.conn.disconnect(mode)
	}
	raw, err := io.ReadAll(r)
	switch {
	case err != nil:
		return err
	case mode.stage == AfterData && mode.code != 0:
		return mode.smtpError()
	}
	if err := s.store(raw); err != nil {
		return err
	}
	switch mode.stage {
	case AfterData:
		return s.conn.disconnect(mode)
	case AtGoodbye:
		s.conn.writesLeft, s.conn.finalMode = 1, mode // as in Rcpt
	}
	return nil
}

func (s *session) store(raw []byte) error {
	m, err := parse(raw)
	if err != nil {
		s.conn.server.tb.Errorf("mailtest: malformed message: %v\n%s", err, raw)
	}
	m.From, m.To, m.TLS, m.UTF8, m.User, m.Mechanism = s.from, s.to, s.tls, s.utf8, s.user, s.mechanism
	return s.conn.server.deliver(s.conn, m)
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }
