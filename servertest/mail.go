package servertest

import (
	"net/url"
	"time"
)

// Mail is a mail that was sent.
type Mail struct {
	To, Subject string
	Text, HTML  string
	Link        string // what the mail wants clicked; "" is nothing
	At          time.Time
}

// Token is the token in the mail's link, such as verifyEmail takes; "" if there is none.
func (m Mail) Token() string {
	link, err := url.Parse(m.Link)
	if err != nil {
		return ""
	}
	return link.Query().Get("token")
}

// Mails sends what waits, and returns all mails to an address, the one that was sent last first. The server must have no SMTP_URL.
func (s *Server) Mails(to string) (list []Mail) {
	s.t.Helper()
	if s.internal.Inbox == nil {
		s.t.Fatal("the server keeps no mails: it sends them, or has ENV=production")
	}
	if _, err := s.internal.Mailer.Deliver(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	for _, m := range s.internal.Inbox.Messages() {
		if m.To == to {
			list = append(list, Mail{To: m.To, Subject: m.Subject, Text: m.Text, HTML: m.HTML, Link: m.Link, At: m.At})
		}
	}
	return list
}

// MailToken is the token in the mail to an address whose link leads to a path, such as "/verify-email" or
// "/reset-password". There must be one; of several, the one that was sent last counts.
func (s *Server) MailToken(to, path string) string {
	s.t.Helper()
	for _, m := range s.Mails(to) {
		if link, err := url.Parse(m.Link); err == nil && link.Path == path {
			return m.Token()
		}
	}
	s.t.Fatalf("no mail to %s leads to %s", to, path)
	return ""
}
