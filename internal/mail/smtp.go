package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// SMTPConfig is what NewSMTP needs to know.
type SMTPConfig struct {
	// URL is smtp://USER:PASSWORD@HOST:PORT?tls=MODE, where MODE is starttls
	// (the default), implicit or none. Without a port it is 587, 465 or 25, by
	// the mode. Without a user nobody signs in.
	URL string
	// From is the sender's address, perhaps with a name, as in Example <noreply@example.com>.
	From string
	// RootCAs are trusted to vouch for the server; nil: those of the system.
	RootCAs *x509.CertPool
}

// SMTP is the Transport to an SMTP server (RFC 5321), which delivers the messages
// or passes them on. It never sends in clear unless the URL says so, never sends a
// password in clear over a network, and waits for nothing without end.
type SMTP struct {
	server   server
	from     *mail.Address
	tls      *tls.Config
	timeouts timeouts
}

// timeouts are how long an SMTP waits for what.
type timeouts struct {
	dial    time.Duration // for a connection
	answer  time.Duration // for one answer
	connect time.Duration // for a connection that messages can be sent on
	quit    time.Duration // for the answer to a goodbye
}

// NewSMTP makes a transport; it connects to nothing yet. An error is a *SettingError.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	server, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	from, err := parseFrom(c.From)
	if err != nil {
		return nil, err
	}
	return &SMTP{
		server:   server,
		from:     from,
		tls:      &tls.Config{ServerName: server.host, RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		timeouts: timeouts{dial: 10 * time.Second, answer: time.Minute, connect: 2 * time.Minute, quit: 5 * time.Second},
	}, nil
}

// Connect connects, encrypts and signs in, as the URL says. It takes 2 minutes at most.
func (s *SMTP) Connect(ctx context.Context) (Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeouts.connect)
	defer cancel()
	dialer := net.Dialer{Timeout: s.timeouts.dial}
	socket, err := dialer.DialContext(ctx, "tcp", s.server.address())
	if err != nil {
		return nil, s.wrapError(ctx, err)
	}
	c := &smtpConn{smtp: s, socket: socket}
	err = c.withContext(ctx, func() error { return c.open(ctx) })
	if err != nil {
		return nil, err
	}
	return c, nil
}

// serverError says what happened with the server, in one line. That the caller has
// given up explains everything else.
func (s *SMTP) wrapError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return &serverError{fmt.Sprintf("mail: %s: %s", s.server.address(), shortLine(err.Error())), err}
}

type serverError struct {
	message string
	cause   error
}

func (f *serverError) Error() string { return f.message }
func (f *serverError) Unwrap() error { return f.cause }

// shortLine makes one line, and not an endless one, of what a server said.
func shortLine(message string) string {
	const most = 300
	message = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, message)
	message = strings.ToValidUTF8(strings.Join(strings.Fields(message), " "), "�")
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "…"
	}
	return message
}

// smtpConn is a connection to an SMTP server.
type smtpConn struct {
	smtp     *SMTP
	socket   net.Conn
	client   *smtp.Client
	isClosed bool
}

// errConnClosed is the answer of a connection that has failed before.
var errConnClosed = errors.New("the connection has failed before")

// withContext runs f, which talks to the server, and ends it when ctx ends: nothing
// but closing the socket ends a read for certain. What is no *Refused ends the connection.
func (c *smtpConn) withContext(ctx context.Context, f func() error) error {
	if c.isClosed {
		return c.smtp.wrapError(ctx, errConnClosed)
	}
	if ctx.Err() != nil { // nothing must be sent that nobody waits for
		c.isClosed = true
		c.socket.Close()
		return c.smtp.wrapError(ctx, ctx.Err())
	}
	release := context.AfterFunc(ctx, func() { c.socket.Close() })
	err := f()
	_, refused := errors.AsType[*RefusedError](err)
	if !release() || err != nil && !refused {
		c.isClosed = true
		c.socket.Close()
	}
	if err != nil && !refused {
		return c.smtp.wrapError(ctx, err)
	}
	return err
}

// open lets go-mail do what comes before the first message. It would not close
// the socket when that fails; during does.
func (c *smtpConn) open(ctx context.Context) error {
	s := c.smtp
	patient := net.Conn(&deadlineConn{Conn: c.socket, timeout: s.timeouts.answer, left: maxAnswerBytes})
	patient.SetDeadline(time.Now().Add(s.timeouts.answer))
	if s.server.tls == TLSImplicit {
		encrypted := tls.Client(patient, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return err
		}
		patient = encrypted
	}
	client, err := gomail.NewClient(s.server.host, s.options(patient)...)
	if err != nil {
		return err
	}
	c.client, err = client.DialToSMTPClientWithContext(ctx)
	return err
}

func (s *SMTP) options(connected net.Conn) []gomail.Option {
	options := []gomail.Option{
		gomail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return connected, nil }),
		gomail.WithTimeout(s.timeouts.answer),
		gomail.WithTLSConfig(s.tls),
		gomail.WithHELO(heloName(connected)),
	}
	switch s.server.tls {
	case TLSStartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLSImplicit:
		options = append(options, gomail.WithSSL())
	case TLSNone:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.server.user == "" {
		return options
	}
	plain, login := gomail.SMTPAuthPlain, gomail.SMTPAuthLogin
	if s.server.tls == TLSNone { // the URL was checked: the server is on this machine
		plain, login = gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc
	}
	// Without the -PLUS of SCRAM: the certificate has been checked, and servers
	// disagree about what to bind to. What else a server may offer comes last.
	return append(options, gomail.WithUsername(s.server.user), gomail.WithPassword(s.server.password),
		gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, plain, login))
}

// heloName is what the client calls itself: the name of the machine if that is a
// full one, or else its address (RFC 5321 section 4.1.4).
func heloName(c net.Conn) string {
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") && isASCII(name) && isPlainLine(name) && !strings.Contains(name, " ") {
		return name
	}
	ip, _, err := net.SplitHostPort(c.LocalAddr().String())
	switch {
	case err != nil:
		return "localhost"
	case strings.Contains(ip, ":"):
		zoneless, _, _ := strings.Cut(ip, "%")
		return "[IPv6:" + zoneless + "]"
	}
	return "[" + ip + "]"
}

// Send implements Conn. Each answer of the server takes a minute at most, so
// all of it takes a few even when ctx has no end.
func (c *smtpConn) Send(ctx context.Context, m *Message) error {
	to, err := checkMessage(m)
	if err != nil {
		return err
	}
	content, err := c.smtp.content(m, to)
	if err != nil {
		return permanentError(shortLine(err.Error()))
	}
	return c.withContext(ctx, func() error { return c.transact(to, content) })
}

// transact is one transaction (RFC 5321 section 3.3). SMTPUTF8 is asked for only
// if it is needed, since a message that was sent with it cannot be passed on to a
// server without it.
func (c *smtpConn) transact(to string, content []byte) error {
	if !isASCII(to) {
		if offered, _ := c.client.Extension("SMTPUTF8"); !offered {
			return permanentError("the server cannot send to an address with letters beyond ASCII (SMTPUTF8)")
		}
	}
	c.client.SkipSMTPUTF8(isASCII(to))
	if err := c.client.Mail("<" + c.smtp.from.Address + ">"); err != nil {
		err = c.refusedError(err)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			refused.Permanent = false // it is about us, and no message: somebody will mend MAIL_FROM
		}
		return err
	}
	if err := c.client.Rcpt("<" + to + ">"); err != nil {
		return c.refusedError(err)
	}
	data, err := c.client.Data()
	if err != nil {
		return c.refusedError(err)
	}
	if _, err := data.Write(content); err != nil {
		return err // without Close, which would say that this was all
	}
	if err := data.Close(); err != nil {
		return c.refusedError(err)
	}
	return nil
}

// refusedError makes a *Refused of a server's answer 4xx or 5xx, and has it forget the
// transaction. 421 says that it hangs up (RFC 5321 section 3.8).
func (c *smtpConn) refusedError(err error) error {
	answer, ok := errors.AsType[*textproto.Error](err)
	if !ok || answer.Code < 400 || answer.Code > 599 || answer.Code == 421 {
		return err
	}
	if err := c.client.Reset(); err != nil {
		c.isClosed = true // the next message will hear of it: this one was refused, whatever came after
		c.socket.Close()
	}
	return &RefusedError{Permanent: answer.Code >= 500, Reason: shortLine(strconv.Itoa(answer.Code) + " " + answer.Msg)}
}

// Close implements Conn.
func (c *smtpConn) Close() error {
	if c.isClosed {
		return nil
	}
	c.isClosed = true
	impatience := time.AfterFunc(c.smtp.timeouts.quit, func() { c.socket.Close() })
	defer impatience.Stop()
	c.client.Quit() // whatever the answer, nothing depends on it
	c.socket.Close()
	return nil
}

// content writes the message with its headers (RFC 5322), in lines that any
// server can take.
func (s *SMTP) content(m *Message, to string) ([]byte, error) {
	_, host, _ := strings.Cut(s.from.Address, "@")
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.SetAddrHeaderFromMailAddress(gomail.HeaderFrom, s.from)
	msg.SetAddrHeaderFromMailAddress(gomail.HeaderTo, &mail.Address{Address: to})
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageIDWithValue(m.ID + "@" + host)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")        // RFC 3834 section 5: no absence notices, please
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All") // the same for Exchange
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var content bytes.Buffer
	if _, err := msg.WriteTo(&content); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}
