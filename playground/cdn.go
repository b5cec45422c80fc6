package playground

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/99designs/gqlgen/graphql/playground"
)

var (
	inlineScripts = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
	outerScripts  = regexp.MustCompile(`src="(https://[^"]+)"`)
	outerStyles   = regexp.MustCompile(`href="(https://[^"]+)"`)
)

// fromCDN is gqlgen's page: GraphiQL, which a browser loads from a CDN, with hashes of what it must be.
//
// The page may run those very scripts and the one that stands in it, by its hash, and talk to this server alone.
// Styles are another matter: the editor writes them as it goes, so they may stand inline.
func fromCDN() (html []byte, policy string) {
	html = rendered(playground.Handler("Fieldgate", "/graphql"))
	scripts, styles := matches(outerScripts, html), matches(outerStyles, html)
	for _, script := range matches(inlineScripts, html) {
		sum := sha256.Sum256([]byte(script))
		scripts = append(scripts, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return html, "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src data:; " +
		"script-src " + strings.Join(scripts, " ") + "; style-src 'unsafe-inline' " + strings.Join(styles, " ") + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func matches(pattern *regexp.Regexp, page []byte) (list []string) {
	for _, m := range pattern.FindAllSubmatch(page, -1) {
		list = append(list, string(m[1]))
	}
	return list
}

// rendered is what a handler answers to GET /.
func rendered(h http.Handler) []byte {
	w := answerBuffer{header: http.Header{}}
	h.ServeHTTP(&w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}})
	return w.Bytes()
}

type answerBuffer struct {
	bytes.Buffer
	header http.Header
}

func (w *answerBuffer) Header() http.Header { return w.header }
func (w *answerBuffer) WriteHeader(int)     {}
