// Package pages serves the pages that links in mails lead to, and the inbox of the development
// server.
//
// A page is a single response with inline style and script, from the directory files. The
// Content-Security-Policy allows only these, by their hashes. The page does not depend on the link:
// the server does not read the token. The page's script does, and sends it when the user presses
// the button.
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

// pageNames are the names of the linked pages: the path of each, and its file.
var pageNames = []string{"verify-email", "confirm-email", "undo-email-change", "reset-password"}

// Pages serves the pages of one server.
type Pages struct {
	policy string
	html   map[string][]byte // by page name
}

// New renders the pages. service is the server's name. appURL is the address of the application,
// which the pages link to at the end; without it, they say that the page can be closed. The pages
// call the API at /graphql of their own origin.
func New(service, appURL string) *Pages {
	p := &Pages{policy: contentSecurityPolicy(true), html: map[string][]byte{}}
	for _, name := range pageNames {
		p.html[name] = mustRender(mustParse(name), pageData{
			Service: service, AppURL: appURL, Style: template.CSS(style), Script: template.JS(script),
		})
	}
	return p
}

// Register adds the pages to mux: /verify-email, /confirm-email, /undo-email-change and
// /reset-password. They accept only GET, which changes nothing.
func (p *Pages) Register(mux *http.ServeMux) {
	for name, html := range p.html {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) { writePage(w, p.policy, html) })
	}
}

// pageData is the data of the page templates.
type pageData struct {
	Service, AppURL string
	Wide            bool
	Style           template.CSS
	Script          template.JS // "" for a page without script
	Mails           []Mail
}

// contentSecurityPolicy returns the policy of a page: its own style and, if scripted, its own
// script, which may connect to this server. Nothing else is allowed, and only the script submits
// forms. img-src data: is for the empty icon, which keeps browsers from requesting one.
func contentSecurityPolicy(scripted bool) string {
	policy := "default-src 'none'; style-src " + hash(style) + "; img-src data:;" +
		" base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if scripted {
		policy += "; script-src " + hash(script) +
			"; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
	}
	return policy
}

func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// writePage writes a page. Its address may contain a token, so the headers forbid referrers and
// caching, whatever the server sets elsewhere.
func writePage(w http.ResponseWriter, policy string, html []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(html) // the client is gone; there is nothing to report
}

func mustParse(name string) *template.Template {
	return template.Must(template.ParseFS(files, "files/layout.html", "files/"+name+".html"))
}

// mustRender panics only if a template does not fit pageData, which every start would show.
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
