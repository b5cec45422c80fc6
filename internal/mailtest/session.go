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
	return session, session.answer(AtHello)
}

// handshake is called by crypto/tls when a client has said hello to it.
func (s *Server) handshake(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	return nil, hello.Conn.(*conn).be(AtHandshake)
}

// answer returns the error that the mode wants at a stage.
func (s *session) answer(at Stage) error {
	if err := s.conn.be(at); err != nil {
		return err
	}
	if mode := s.conn.server.now(); mode.at == at && mode.code != 0 {
		return mode.refusal()
	}
	return nil
}

func (m Mode) refusal() error {
	return &smtp.SMTPError{
		Code: m.code, EnhancedCode: smtp.EnhancedCode{m.code / 100, 7, 1},
		Message: fmt.Sprintf("not now\n(%s)", m.at), // of two lines, as real ones can be
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
	if err := s.answer(AtLogin); err != nil {
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
	if err := s.answer(AtSender); err != nil {
		return err
	}
	s.from, s.utf8 = from, options.UTF8
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.answer(AtRecipient); err != nil {
		return err
	}
	s.to = to
	if mode := s.conn.server.now(); mode.at == AtData {
		s.conn.writes, s.conn.then = 1, mode // the answer to RCPT; the one to DATA does not come from a session
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	mode := s.conn.server.now() // once: it may change meanwhile
	if mode.at == InData {
		io.ReadFull(r, make([]byte, 100))
		return s.conn.misbehave(mode)
	}
	raw, err := io.ReadAll(r)
	switch {
	case err != nil:
		return err
	case mode.at == AfterData && mode.code != 0:
		return mode.refusal()
	}
	if err := s.keep(raw); err != nil {
		return err
	}
	switch mode.at {
	case AfterData:
		return s.conn.misbehave(mode)
	case AtGoodbye:
		s.conn.writes, s.conn.then = 1, mode // as in Rcpt
	}
	return nil
}

func (s *session) keep(raw []byte) error {
	m, err := parse(raw)
	if err != nil {
		s.conn.server.tb.Errorf("mailtest: a message is not what it should be: %v\n%s", err, raw)
	}
	m.From, m.To, m.TLS, m.UTF8, m.User, m.Mechanism = s.from, s.to, s.tls, s.utf8, s.user, s.mechanism
	return s.conn.server.take(s.conn, m)
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }
