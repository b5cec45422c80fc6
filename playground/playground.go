// Package playground is the page on which people try the API: GraphiQL with a sign-in box and examples.
//
// Its files are built from npm packages by one command, "npm --prefix playground run build", into a folder that git ignores
// and the compiler embeds. Where nobody has run it, the page is gqlgen's: GraphiQL alone, from a CDN.
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

// Embedded are the files that this program was compiled with. There is an index.html among them if they were built.
func Embedded() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the compiler has seen the folder
	}
	return files
}

// DemoUser is somebody whom a visitor can be by pressing a button. The password stands in the page, so these are for
// demonstrations only.
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
	assets map[string][]byte // by name; nil: nobody has built them
}

// policy is the Content-Security-Policy of the built page: it runs, asks and looks like what comes from this server, and
// nothing else. Only fonts and small pictures stand inline, in the style sheet.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// New makes the page from the built files, or, if there is no index.html among them, from a CDN. People are those of a
// demonstration; the page from the CDN does not know them.
func New(built fs.FS, people []DemoUser) (*Page, error) {
	if _, err := fs.Stat(built, "index.html"); err != nil {
		html, policy := fromCDN()
		return &Page{html: html, policy: policy}, nil
	}
	t, err := template.ParseFS(built, "index.html")
	if err != nil {
		return nil, err
	}
	var html bytes.Buffer
	if err := t.Execute(&html, struct{ People []DemoUser }{people}); err != nil {
		return nil, err
	}
	p := &Page{html: html.Bytes(), policy: policy, assets: map[string][]byte{}}
	for ending := range mediaTypes {
		names, err := fs.Glob(built, "*"+ending)
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

// IsBuilt reports whether the page is ours, and not the CDN's.
func (p *Page) IsBuilt() bool { return p.assets != nil }

// Register puts the page at / of mux, and what it is made of below /playground/.
func (p *Page) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", p.policy)
		_, _ = w.Write(p.html) // nobody is left to tell
	})
	if p.IsBuilt() {
		mux.HandleFunc("GET /playground/{name}", p.serveAsset)
	}
}

// mediaTypes are the media types of assets, by the ending of their names. A system's own list can be wrong.
var mediaTypes = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

// serveAsset answers with a file. Its name has a hash of what is in it, so browsers need never ask for it again.
func (p *Page) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, ok := p.assets[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(content) // nobody is left to tell
}
