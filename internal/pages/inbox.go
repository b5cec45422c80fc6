package pages

import (
	"html/template"
	"net/http"
	"slices"
	"time"
)

// Mail is a mail in the inbox.
type Mail struct {
	To, Subject, Text string
	Link              string // the link to follow; "" for none
	At                time.Time
}

var inboxPage = mustParse("inbox")

// Inbox serves a page with the mails of list, newest first. It is for development only: its
// visitors can use every link.
func Inbox(list func() []Mail) http.Handler {
	policy := contentSecurityPolicy(false)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mails := slices.Clone(list())
		slices.SortStableFunc(mails, func(a, b Mail) int { return b.At.Compare(a.At) })
		data := pageData{Service: "Development", Wide: true, Style: template.CSS(style), Mails: mails}
		writePage(w, policy, mustRender(inboxPage, data))
	})
}
