package servertest

import (
	"net/url"
	"time"
)

// Mail is a mail that the server has sent.
type Mail struct {
	To, Subject string
	Text, HTML  string
	Link        string // the link to click; "" if the mail has none
	At          time.Time
}

// Token returns the token in the mail's link, as verifyEmail takes it. It returns "" if the link
// has none.
func (m Mail) Token() string {
	link, err := url.Parse(m.Link)
	if err != nil {
		return ""
	}
	return link.Query().Get("token")
}

// Mails delivers the queued mails and returns all mails to an address, newest first. The server
// must have no SMTP_URL.
func (s *Server) Mails(to string) (list []Mail) {
	s.t.Helper()
	if s.internal.Inbox == nil {
		s.t.Fatal("servertest: the server has no inbox; unset SMTP_URL and ENV=production to read its mails")
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

// MailToken returns the token of the newest mail to an address whose link has this path, such as
// "/verify-email" or "/reset-password". The test fails if there is no such mail.
func (s *Server) MailToken(to, path string) string {
	s.t.Helper()
	for _, m := range s.Mails(to) {
		if link, err := url.Parse(m.Link); err == nil && link.Path == path {
			return m.Token()
		}
	}
	s.t.Fatalf("no mail to %s has a link to %s", to, path)
	return ""
}
