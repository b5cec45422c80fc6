package mailtest

import (
	"crypto/tls"
	"fmt"
	"io"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// session is what go-smtp asks about one connection. Each answer first looks
// whether the mode wants another one.
type session struct {
	conn      *conn
	options   Options
	user      string // who signed in
	mechanism string // and how
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

// handshake is called by crypto/tls when a client has said hello to it.
func (s *Server) handshake(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	return nil, hello.Conn.(*conn).applyMode(AtHandshake)
}

// checkMode returns the error that the mode wants at a stage.
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
		Message: fmt.Sprintf("not now\n(%s)", m.stage), // of two lines, as real ones can be
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
	if s.from != "" { // real servers refuse that too
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
		s.conn.writesLeft, s.conn.finalMode = 1, mode // the answer to RCPT; the one to DATA does not come from a session
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	mode := s.conn.server.currentMode() // once: it may change meanwhile
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
		s.conn.server.tb.Errorf("mailtest: a message is not what it should be: %v\n%s", err, raw)
	}
	m.From, m.To, m.TLS, m.UTF8, m.User, m.Mechanism = s.from, s.to, s.tls, s.utf8, s.user, s.mechanism
	return s.conn.server.deliver(s.conn, m)
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }
