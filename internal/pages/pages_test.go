package pages_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/pages"
)

const appURL = "https://app.example.com"

var paths = []string{"/verify-email", "/confirm-email", "/undo-email-change", "/reset-password"}

func newSite(service, appURL string) http.Handler {
	mux := http.NewServeMux()
	pages.New(service, appURL).Register(mux)
	return mux
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func inbox(mails ...pages.Mail) *httptest.ResponseRecorder {
	return get(pages.Inbox(func() []pages.Mail { return mails }), "/dev/mail")
}

// The page must not contain any part of its link.
func TestPagesDoNotDependOnQuery(t *testing.T) {
	t.Parallel()
	h := newSite("Fieldgate", appURL)
	for _, path := range paths {
		plain := get(h, path)
		if plain.Code != http.StatusOK || !strings.Contains(plain.Body.String(), `href="https://app.example.com"`) {
			t.Errorf("%s: %d %s", path, plain.Code, plain.Body)
		}
		for _, query := range []string{"?token=abc", "?token=abc&token=def", "?token=%22%3E%3Cscript%3E", "?%zz;", "?service=x&AppURL=x"} {
			if got := get(h, path+query); got.Body.String() != plain.Body.String() {
				t.Errorf("%s%s is a different page than %s", path, query, path)
			}
		}
	}
}

func TestPagesAcceptOnlyGET(t *testing.T) {
	t.Parallel()
	h := newSite("Fieldgate", appURL)
	for _, path := range paths {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, path+"?token=x", nil))
			if w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

func TestPagesSetSecurityHeaders(t *testing.T) {
	t.Parallel()
	const rest = "; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	const scripted = "; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
	answers := map[string]*httptest.ResponseRecorder{"/dev/mail": inbox()}
	for _, path := range paths {
		answers[path] = get(newSite("Fieldgate", appURL), path)
	}
	for path, w := range answers {
		body := w.Body.String()
		want := "default-src 'none'; style-src " + hashOf(t, body, "<style>", "</style>") + rest
		if path != "/dev/mail" {
			want += "; script-src " + hashOf(t, body, `<script type="module">`, "</script>") + scripted
		} else if strings.Contains(body, "<script") {
			t.Error("the inbox has a script")
		}
		for name, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": want,
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", path, name, got, want)
			}
		}
		for _, outer := range regexp.MustCompile(`(?:src|srcset|action|srcdoc)=|href="[^/"][^"]*"`).FindAllString(body, -1) {
			if outer != `href="data:,"` && outer != `href="https://app.example.com"` {
				t.Errorf("%s refers to %s", path, outer)
			}
		}
	}
}

// hashOf returns the CSP hash of the text between two tags, as a browser computes it.
func hashOf(t *testing.T, body, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(body, from)
	inside, _, ended := strings.Cut(rest, to)
	if !found || !ended || strings.Contains(rest, from) {
		t.Fatalf("want exactly one %s in %s", from, body)
	}
	sum := sha256.Sum256([]byte(inside))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func TestNamesAndAddressesAreEscaped(t *testing.T) {
	t.Parallel()
	h := newSite(`<b>"A & B"</b>`, "javascript:alert(1)")
	for _, path := range paths {
		body := get(h, path).Body.String()
		if strings.Contains(body, "<b>") || !strings.Contains(body, `data-service="&lt;b&gt;&#34;A &amp; B&#34;&lt;/b&gt;"`) {
			t.Errorf("%s: the name is not escaped", path)
		}
		if strings.Contains(body, "javascript:") {
			t.Errorf("%s links to a javascript: URL", path)
		}
	}
}

func TestInboxListsNewestMailFirst(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, time.January, 31, 12, 0, 0, 0, time.UTC)
	const text = "Hello <Ada> & \"others\",\nhttps://app.example.com/verify-email?token=a-b_c"
	w := inbox(
		pages.Mail{To: "old@example.com", Subject: "The older one", At: noon},
		pages.Mail{To: `"<i>"@example.com`, Subject: "<script>1</script>", Text: text, Link: "https://app.example.com/verify-email?token=a-b_c", At: noon.Add(time.Second)},
		pages.Mail{To: "x@example.com", Subject: "The oldest", Link: "javascript:alert(1)", At: noon.Add(-time.Hour)},
	)
	body := w.Body.String()
	at := 0
	for _, want := range []string{
		"&lt;script&gt;1&lt;/script&gt;", `to &#34;&lt;i&gt;&#34;@example.com`, `datetime="2026-01-31T12:00:01Z"`,
		`<a href="https://app.example.com/verify-email?token=a-b_c">`, "<pre>Hello &lt;Ada&gt; &amp; &#34;others&#34;,\nhttps://",
		"The older one", "The oldest",
	} {
		i := strings.Index(body[at:], want)
		if i < 0 {
			t.Fatalf("%q is missing or in the wrong place in %s", want, body)
		}
		at += i
	}
	if strings.Contains(body, `"javascript:`) || strings.Contains(body, "There is no mail yet") {
		t.Error(body)
	}
	if empty := inbox(); !strings.Contains(empty.Body.String(), "There is no mail yet") || empty.Code != http.StatusOK {
		t.Errorf("%d %s", empty.Code, empty.Body)
	}
}
