package pages

import (
	"html/template"
	"net/http"
	"slices"
	"time"
)

// Mail is what the inbox shows of a mail.
type Mail struct {
	To, Subject, Text string
	Link              string // what the mail wants clicked; empty if it wants nothing
	At                time.Time
}

var inboxPage = mustParse("inbox")

// Inbox answers with a page of the mails in list, the newest first. It is for development: whoever sees it can use
// every link in it.
func Inbox(list func() []Mail) http.Handler {
	policy := contentSecurityPolicy(false)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mails := slices.Clone(list())
		slices.SortStableFunc(mails, func(a, b Mail) int { return b.At.Compare(a.At) })
		writePage(w, policy, mustRender(inboxPage, pageData{Service: "Development", Wide: true, Style: template.CSS(style), Mails: mails}))
	})
}
