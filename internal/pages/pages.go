// Package pages is the small pages that links in mails lead to, and the development server's inbox.
//
// A page is one answer: its style and its script stand in it, from the files in the folder files, and the browser runs
// those and nothing else, by their hashes. It is the same bytes whatever the link says, since the server does not look
// at the token: the page's script does, and sends it when somebody presses the button.
package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed files
var files embed.FS

var style, script = mustReadFile("style.css"), mustReadFile("script.js")

// pageNames are the pages that links lead to: each is at the path of its name, and made from the file of its name.
var pageNames = []string{"verify-email", "confirm-email", "undo-email-change", "reset-password"}

// Pages are the pages of one server.
type Pages struct {
	policy string
	html   map[string][]byte // by name
}

// New makes the pages. service is the server's name, appURL the address of the application, where its visitors go on;
// without one, they are told that they may close the page.
// They ask the API at /graphql of the origin that they come from.
func New(service, appURL string) *Pages {
	p := &Pages{policy: contentSecurityPolicy(true), html: map[string][]byte{}}
	for _, name := range pageNames {
		p.html[name] = mustRender(mustParse(name), pageData{Service: service, AppURL: appURL, Style: template.CSS(style), Script: template.JS(script)})
	}
	return p
}

// Register puts the pages into mux: /verify-email, /confirm-email, /undo-email-change and /reset-password. GET is all
// that they take, and it changes nothing.
func (p *Pages) Register(mux *http.ServeMux) {
	for name, html := range p.html {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) { writePage(w, p.policy, html) })
	}
}

// pageData is what the files of a page are filled in with.
type pageData struct {
	Service, AppURL string
	Wide            bool
	Style           template.CSS
	Script          template.JS // empty: the page has none
	Mails           []Mail
}

// contentSecurityPolicy is the Content-Security-Policy of a page: its own style, its own script if it has one, which may talk
// to this server, and nothing else. Forms are sent by the script alone. The empty icon, which keeps browsers from
// asking for one, is an image.
func contentSecurityPolicy(scripted bool) string {
	policy := "default-src 'none'; style-src " + hash(style) + "; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if scripted {
		policy += "; script-src " + hash(script) + "; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
	}
	return policy
}

func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// writePage writes a page. The address that it stands at may hold a token, so it is named to nobody and the page is kept
// by nobody, whatever the server says otherwise.
func writePage(w http.ResponseWriter, policy string, html []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(html) // nobody is left to tell
}

func mustParse(name string) *template.Template {
	return template.Must(template.ParseFS(files, "files/layout.html", "files/"+name+".html"))
}

// mustRender fails only on a file that does not go with content, which every start would show.
func mustRender(t *template.Template, c pageData) []byte {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", c); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func mustReadFile(name string) string {
	content, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err)
	}
	return string(content)
}
