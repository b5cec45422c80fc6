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

// SMTPConfig configures an SMTP transport.
type SMTPConfig struct {
	// URL is smtp://USER:PASSWORD@HOST:PORT?tls=MODE. MODE is starttls (the default), implicit or
	// none. The default port is 587, 465 or 25, by mode. Without a user the client does not
	// authenticate.
	URL string
	// From is the sender's address with an optional name, as in Example <noreply@example.com>.
	From string
	// RootCAs are the authorities trusted for the server's certificate. If nil, the system's are
	// used.
	RootCAs *x509.CertPool
}

// SMTP is the Transport to an SMTP server (RFC 5321). It sends unencrypted only if the URL says so,
// never sends a password unencrypted over a network, and bounds every wait.
type SMTP struct {
	server   server
	from     *mail.Address
	tls      *tls.Config
	timeouts timeouts
}

// timeouts bounds the waits of an SMTP transport.
type timeouts struct {
	dial    time.Duration // to open a TCP connection
	answer  time.Duration // for each answer
	connect time.Duration // to connect, encrypt and authenticate
	quit    time.Duration // for the answer to QUIT
}

// NewSMTP returns a transport without connecting. The error is a *SettingError.
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

// Connect connects, encrypts and authenticates as the URL says. It takes 2 minutes at most.
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

// wrapError describes an error of the server in one line. If ctx is done, its cause replaces the
// error.
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

// shortLine turns a server's text into a single line of bounded length.
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

// errConnClosed is the error of a connection that has failed before.
var errConnClosed = errors.New("the connection failed earlier")

// withContext runs f, which talks to the server, and aborts it when ctx is done. Only closing the
// socket reliably ends a read. Any error except a *RefusedError closes the connection.
func (c *smtpConn) withContext(ctx context.Context, f func() error) error {
	if c.isClosed {
		return c.smtp.wrapError(ctx, errConnClosed)
	}
	if ctx.Err() != nil { // the caller no longer waits, so nothing must be sent
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

// open runs go-mail's steps before the first message. go-mail does not close the socket on an
// error; withContext does.
func (c *smtpConn) open(ctx context.Context) error {
	s := c.smtp
	conn := net.Conn(&deadlineConn{Conn: c.socket, timeout: s.timeouts.answer, left: maxAnswerBytes})
	conn.SetDeadline(time.Now().Add(s.timeouts.answer))
	if s.server.tls == TLSImplicit {
		encrypted := tls.Client(conn, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return err
		}
		conn = encrypted
	}
	client, err := gomail.NewClient(s.server.host, s.options(conn)...)
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
	if s.server.tls == TLSNone { // parseURL has checked that the server is on this machine
		plain, login = gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc
	}
	// SCRAM without -PLUS: the certificate has been verified, and servers disagree about the
	// channel binding. Other mechanisms of the server are tried last.
	return append(options, gomail.WithUsername(s.server.user), gomail.WithPassword(s.server.password),
		gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, plain, login))
}

// heloName returns the name that the client announces: the host name if it is fully qualified, or
// else the local address (RFC 5321 section 4.1.4).
func heloName(c net.Conn) string {
	name, err := os.Hostname()
	if err == nil && strings.Contains(name, ".") && isASCII(name) && isPlainLine(name) && !strings.Contains(name, " ") {
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

// Send implements Conn. Each answer takes a minute at most, so Send takes a few minutes even
// without a deadline.
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

// transact runs one mail transaction (RFC 5321 section 3.3). It requests SMTPUTF8 only if needed: a
// server cannot relay such a message to a server without SMTPUTF8.
func (c *smtpConn) transact(to string, content []byte) error {
	if !isASCII(to) {
		if offered, _ := c.client.Extension("SMTPUTF8"); !offered {
			return permanentError("the server does not support addresses with non-ASCII letters (SMTPUTF8)")
		}
	}
	c.client.SkipSMTPUTF8(isASCII(to))
	if err := c.client.Mail("<" + c.smtp.from.Address + ">"); err != nil {
		err = c.refusedError(err)
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			refused.Permanent = false // the fault is in MAIL_FROM, not in the message
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
		return err // without Close, which would end the message as complete
	}
	if err := data.Close(); err != nil {
		return c.refusedError(err)
	}
	return nil
}

// refusedError turns an answer 4xx or 5xx into a *RefusedError and resets the transaction. 421
// closes the connection (RFC 5321 section 3.8), so it is returned unchanged.
func (c *smtpConn) refusedError(err error) error {
	answer, ok := errors.AsType[*textproto.Error](err)
	if !ok || answer.Code < 400 || answer.Code > 599 || answer.Code == 421 {
		return err
	}
	if err := c.client.Reset(); err != nil {
		c.isClosed = true // only the next message fails: this one was refused regardless
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
	timer := time.AfterFunc(c.smtp.timeouts.quit, func() { c.socket.Close() })
	defer timer.Stop()
	c.client.Quit() // the answer does not matter
	c.socket.Close()
	return nil
}

// content returns the message with its headers (RFC 5322), in lines that every server accepts.
func (s *SMTP) content(m *Message, to string) ([]byte, error) {
	_, host, _ := strings.Cut(s.from.Address, "@")
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.SetAddrHeaderFromMailAddress(gomail.HeaderFrom, s.from)
	msg.SetAddrHeaderFromMailAddress(gomail.HeaderTo, &mail.Address{Address: to})
	msg.Subject(m.Subject)
	msg.SetDate()
	msg.SetMessageIDWithValue(m.ID + "@" + host)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")        // no auto-replies (RFC 3834)
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All") // the same for Exchange
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var content bytes.Buffer
	if _, err := msg.WriteTo(&content); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}
