package playground

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql/playground"
)

var (
	inlineScripts   = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
	externalScripts = regexp.MustCompile(`src="(https://[^"]+)"`)
	externalStyles  = regexp.MustCompile(`href="(https://[^"]+)"`)
	externalTags    = regexp.MustCompile(`(?s)<script\s+src=[^>]*></script>|<link\s[^>]*>`)
)

// fallbackHTML is the content of the page until GraphiQL has loaded from the CDN: the command that
// builds the playground, and a form that sends a query.
//
//go:embed offline.html
var fallbackHTML []byte

const viewport = `<meta name="viewport" content="width=device-width, initial-scale=1">`

// loadingElement matches what gqlgen's page shows until GraphiQL has loaded.
var loadingElement = regexp.MustCompile(`(?s)<div class="loading">.*?</div>\s*</div>`)

// fromCDN returns gqlgen's page, which loads GraphiQL from a CDN and checks it by hash, and the
// page's Content-Security-Policy.
//
// The policy allows those scripts and the inline ones, each by its hash, and requests to this
// server only. Styles may be inline: the editor writes them while it runs.
func fromCDN() (html []byte, policy string) {
	html = withFallback(render(playground.Handler("Fieldgate", "/graphql")))
	scripts, styles := matches(externalScripts, html), matches(externalStyles, html)
	for _, script := range matches(inlineScripts, html) {
		sum := sha256.Sum256([]byte(script))
		scripts = append(scripts, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return html, "default-src 'none'; connect-src 'self'; img-src 'self' data:; font-src data:; " +
		"script-src " + strings.Join(scripts, " ") + "; style-src 'unsafe-inline' " + strings.Join(styles, " ") + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// withFallback inserts fallbackHTML before everything that the page loads. A script or style sheet
// in the head would keep the page blank until the CDN responds.
func withFallback(html []byte) []byte {
	head, body, _ := bytes.Cut(html, []byte("</head>"))
	loads := bytes.Join(externalTags.FindAll(head, -1), []byte("\n"))
	head = externalTags.ReplaceAll(head, nil)
	head = bytes.Replace(head, []byte("<html>"), []byte(`<html lang="en">`), 1)
	content := slices.Concat(fallbackHTML, []byte("</div>\n"), loads)
	body = loadingElement.ReplaceAllLiteral(body, content)
	return slices.Concat(head, []byte(viewport+"</head>"), body)
}

func matches(pattern *regexp.Regexp, page []byte) (list []string) {
	for _, m := range pattern.FindAllSubmatch(page, -1) {
		list = append(list, string(m[1]))
	}
	return list
}

// render returns the response of a handler to GET /.
func render(h http.Handler) []byte {
	w := responseBuffer{header: http.Header{}}
	h.ServeHTTP(&w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}})
	return w.Bytes()
}

type responseBuffer struct {
	bytes.Buffer
	header http.Header
}

func (w *responseBuffer) Header() http.Header { return w.header }
func (w *responseBuffer) WriteHeader(int)     {}
