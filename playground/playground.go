// Package playground serves a page for trying the API: GraphiQL with a sign-in form and examples.
//
// The command "npm --prefix playground run build" builds its files from npm packages, into a folder
// that git ignores and the compiler embeds. Without a build, the page is gqlgen's: GraphiQL alone,
// from a CDN.
package playground

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"path"
)

//go:embed all:dist
var dist embed.FS

// Embedded returns the files that the program was compiled with. They include index.html if the
// playground was built.
func Embedded() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // cannot happen: the folder is embedded
	}
	return files
}

// DemoUser is a user that a visitor can sign in as with one click. The page contains the password,
// so it is for demos only.
type DemoUser struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Role     string `json:"role"`
	Password string `json:"password"`
}

// Page is the playground of one server.
type Page struct {
	html   []byte
	policy string
	assets map[string][]byte // by name; nil without a build
}

// policy is the Content-Security-Policy of the built page. It allows scripts, styles and requests
// of this server only. Fonts and small images are inline in the style sheet.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// New creates the page from the built files, or the page with GraphiQL from a CDN if they have no
// index.html. The page from the CDN does not show the demo users.
func New(built fs.FS, demoUsers []DemoUser) (*Page, error) {
	if _, err := fs.Stat(built, "index.html"); err != nil {
		html, policy := fromCDN()
		return &Page{html: html, policy: policy}, nil
	}
	t, err := template.ParseFS(built, "index.html")
	if err != nil {
		return nil, err
	}
	var html bytes.Buffer
	if err := t.Execute(&html, struct{ DemoUsers []DemoUser }{demoUsers}); err != nil {
		return nil, err
	}
	p := &Page{html: html.Bytes(), policy: policy, assets: map[string][]byte{}}
	for extension := range mediaTypes {
		names, err := fs.Glob(built, "*"+extension)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if p.assets[name], err = fs.ReadFile(built, name); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// IsBuilt reports whether the page is the built one, and not the one from the CDN.
func (p *Page) IsBuilt() bool { return p.assets != nil }

// Register adds the page to mux at /, and its assets below /playground/.
func (p *Page) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", p.policy)
		_, _ = w.Write(p.html) // the client has disconnected
	})
	if p.IsBuilt() {
		mux.HandleFunc("GET /playground/{name}", p.serveAsset)
	}
}

// mediaTypes maps the extensions of assets to media types. The operating system's table can be
// wrong.
var mediaTypes = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

// serveAsset serves a file. Its name contains a hash of its content, so browsers can cache it
// forever.
func (p *Page) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, ok := p.assets[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content) // the client has disconnected
}
