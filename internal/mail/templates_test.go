package mail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/mail"
)

const link = "https://app.example.com/page#token=Zm9v-_bar"

func TestEveryKindHasSubjectLinkAndLifetime(t *testing.T) {
	t.Parallel()
	templates := builtIn(t)
	for _, kind := range mail.Kinds {
		for _, hours := range []int{1, 2, 24, 48, 168} {
			m := render(t, templates, kind, "en", sampleData(kind, hours))
			if m.Language != "en" || m.Link != sampleData(kind, hours).Link || !strings.Contains(m.Subject, "Fieldgate") {
				t.Errorf("%s: got language %q, link %q, subject %q", kind, m.Language, m.Link, m.Subject)
			}
			if !strings.Contains(m.Text, "\nhttps://app.example.com\n") || !strings.Contains(m.HTML, `href="https://app.example.com"`) {
				t.Errorf("%s: want the application's URL:\n%s\n%s", kind, m.Text, m.HTML)
			}
			if m.Link == "" {
				continue
			}
			if !slices.Contains(strings.Split(m.Text, "\n"), link) || strings.Count(m.Text, link) != 1 {
				t.Errorf("%s: want the link once, on its own line:\n%s", kind, m.Text)
			}
			if !strings.Contains(m.HTML, `href="`+link+`"`) {
				t.Errorf("%s: want the link in the HTML:\n%s", kind, m.HTML)
			}
			want := map[int]string{1: "1 hour,", 2: "2 hours,", 24: "24 hours,", 48: "48 hours,", 168: "7 days,"}[hours]
			if !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, want) {
				t.Errorf("%s: want the validity %s\n%s", kind, want, m.Text)
			}
		}
	}
}

func TestEveryKindShowsTimeAndNetwork(t *testing.T) {
	t.Parallel()
	for _, kind := range mail.Kinds {
		m := render(t, builtIn(t), kind, "en", sampleData(kind, 1))
		for name, text := range map[string]string{"text": m.Text, "HTML": m.HTML} {
			if !strings.Contains(text, "Time: 2026-01-31 12:00 UTC. Network: 203.0.113.0/24.") {
				t.Errorf("%s: want time and network in the %s:\n%s", kind, name, text)
			}
		}
		d := sampleData(kind, 1)
		d.Network = ""
		if m := render(t, builtIn(t), kind, "en", d); strings.Contains(m.Text, "Network") || !strings.Contains(m.Text, "Time: 2026-01-31 12:00 UTC.") {
			t.Errorf("%s with an unknown network:\n%s", kind, m.Text)
		}
	}
}

func TestUnknownNewEmailIsOmitted(t *testing.T) {
	t.Parallel()
	for _, kind := range []mail.Kind{mail.EmailChanged, mail.EmailChangeRequested} {
		d := sampleData(kind, 1)
		d.NewEmail = ""
		m := render(t, builtIn(t), kind, "en", d)
		if strings.Contains(m.Text+m.HTML, "@") || strings.Contains(m.Text, " to .") || strings.Contains(m.Text, "  ") {
			t.Errorf("%s:\n%s\n%s", kind, m.Text, m.HTML)
		}
	}
}

// The HTML works with screen readers, in dark mode and with remote content blocked.
func TestHTMLIsAccessibleAndLoadsNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range mail.Kinds {
		html := render(t, builtIn(t), kind, "en", sampleData(kind, 2)).HTML
		for _, want := range []string{`<html lang="en">`, "<title>", `name="color-scheme" content="light dark"`} {
			if !strings.Contains(html, want) {
				t.Errorf("%s: want %s in the HTML", kind, want)
			}
		}
		for _, never := range []string{"<img", "<script", "<link", "<style", "src=", "url(", "@import", "ZgotmplZ"} {
			if strings.Contains(html, never) {
				t.Errorf("%s: got %s in the HTML", kind, never)
			}
		}
		if strings.Count(html, "<table") != strings.Count(html, `<table role="presentation"`) {
			t.Errorf("%s: a layout table lacks role=presentation", kind)
		}
	}
}

func TestNewEmailIsEscapedInHTML(t *testing.T) {
	t.Parallel()
	hostile := `"><script>alert(1)</script>&'@example.com`
	for _, kind := range []mail.Kind{mail.EmailChanged, mail.EmailChangeRequested} {
		d := sampleData(kind, 1)
		d.NewEmail = hostile
		m := render(t, builtIn(t), kind, "en", d)
		if !strings.Contains(m.Text, hostile) {
			t.Errorf("%s: want the address unchanged in the text:\n%s", kind, m.Text)
		}
		if strings.Contains(m.HTML, "<script") || !strings.Contains(m.HTML, "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;@example.com") {
			t.Errorf("%s: want the address escaped in the HTML:\n%s", kind, m.HTML)
		}
	}
}

func TestRenderRejectsInvalidData(t *testing.T) {
	t.Parallel()
	good := sampleData(mail.ResetPassword, 1)
	tests := []struct {
		name   string
		kind   mail.Kind
		change func(*mail.Data)
	}{
		{"an unknown kind", "newsletter", func(*mail.Data) {}},
		{"a missing link", mail.ResetPassword, func(d *mail.Data) { d.Link = "" }},
		{"a service name with a header", mail.ResetPassword, func(d *mail.Data) { d.Service = "x\r\nBcc: all@example.com" }},
		{"a service name with a NUL", mail.ResetPassword, func(d *mail.Data) { d.Service = "x\x00" }},
		{"a link with a line break", mail.ResetPassword, func(d *mail.Data) { d.Link = link + "\nhttps://evil.example.com" }},
		{"an address with a line break", mail.EmailChanged, func(d *mail.Data) { d.NewEmail = "a\nb@example.com" }},
		{"an address that is not UTF-8", mail.EmailChanged, func(d *mail.Data) { d.NewEmail = "\xff@example.com" }},
		{"a subject that is too long", mail.ResetPassword, func(d *mail.Data) { d.Service = strings.Repeat("x", 250) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := good
			test.change(&d)
			if m, err := builtIn(t).Render(test.kind, "en", d); err == nil {
				t.Errorf("got %+v, want an error", m)
			}
		})
	}
}

func TestTemplateFolderOverridesFilesAndAddsLanguages(t *testing.T) {
	t.Parallel()
	dir := writeFolder(t, map[string]string{
		"en/email-taken.txt":       "Subject: Taken\n\nTaken at {{.Service}}.\n",
		"de/reset-password.txt":    "\ufeffSubject: Neues Passwort f\u00fcr {{.Service}}\r\n\r\nHier:\r\n\r\n{{.Link}}\r\n\r\nIn {{template \"lifetime\" .}}\r\n",
		"de/lifetime.txt":          "{{if eq .Hours 1}}einer Stunde{{else}}{{.Hours}} Stunden{{end}}\n",
		"de/password-changed.html": "<p>Ge\u00e4ndert</p>",
		".git/config":              "ignored",
		"de/.DS_Store":             "ignored",
	})
	templates, err := mail.LoadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := templates.Languages(); !slices.Equal(got, []string{"en", "de"}) {
		t.Errorf("got languages %q", got)
	}
	if m := render(t, templates, mail.EmailTaken, "en", sampleData(mail.EmailTaken, 0)); m.Subject != "Taken" || m.Text != "Taken at Fieldgate.\n" ||
		!strings.Contains(m.HTML, "requested to use this e-mail address") {
		t.Errorf("want only the text replaced, got %+v", m)
	}
	m := render(t, templates, mail.ResetPassword, "de", sampleData(mail.ResetPassword, 1))
	if m.Subject != "Neues Passwort für Fieldgate" || m.Text != "Hier:\n\n"+link+"\n\nIn einer Stunde\n" || m.Language != "de" {
		t.Errorf("German: got %+v", m)
	}
	if !strings.Contains(m.HTML, `lang="en"`) || !strings.Contains(m.HTML, "Choose a new password") {
		t.Errorf("want the HTML in English, marked as English: %s", m.HTML)
	}
	if m := render(t, templates, mail.PasswordChanged, "de", sampleData(mail.PasswordChanged, 0)); !strings.Contains(m.HTML, `lang="de"`) {
		t.Errorf("German HTML: got %s", m.HTML)
	}
	if m := render(t, templates, mail.ResetPassword, "tlh", sampleData(mail.ResetPassword, 1)); m.Language != "en" {
		t.Errorf("unknown language: got %s, want en", m.Language)
	}
}

func TestTemplateErrorIsOneLineAndNamesFile(t *testing.T) {
	t.Parallel()
	text := "Subject: S\n\nPress:\n\n{{.Link}}\n"
	tests := []struct{ name, path, content, want string }{
		{"a template that does not parse", "en/reset-password.txt", "Subject: S\n\n{{.Link\n", "en/reset-password.txt:4: unclosed action"},
		{"an unknown field", "en/reset-password.txt", text + "\n{{.Name}}", "en/reset-password.txt:7:2: executing"},
		{"an unknown function", "de/reset-password.html", "<p>\n{{shout .Link}}", `de/reset-password.html:2: function "shout" not defined`},
		{"an unknown field in HTML", "de/reset-password.html", "<p>\n{{.Nope}}", "de/reset-password.html:2:2: executing"},
		{"HTML with an open attribute", "de/reset-password.html", "<p>\n<a href=\"{{.Link}}>", "de/reset-password.html"},
		{"a layout with a mistake", "de/layout.html", `<html>{{template "content" .}}{{define "button"}}{{end}}{{.Nope}}`, "de/layout.html:1:58: executing"},
		{"a layout without content", "de/layout.html", `<html>{{define "button"}}{{end}}`, `de/layout.html: a layout must contain`},
		{"a lifetime with a mistake", "de/lifetime.txt", "{{.Nope}}", "de/lifetime.txt:1:2: executing"},
		{"a text without a subject", "de/reset-password.txt", "Hello\n\n{{.Link}}\n", `de/reset-password.txt:1: the first line must be "Subject:"`},
		{"an empty subject", "de/reset-password.txt", "Subject: \n\n{{.Link}}\n", "de/reset-password.txt:1: the first line"},
		{"a subject with a carriage return", "de/reset-password.txt", "Subject: a\rBcc: b\n\n{{.Link}}\n", "de/reset-password.txt:1: the first line"},
		{"a subject of two lines", "de/reset-password.txt", "Subject: a\nb\n\n{{.Link}}\n", "de/reset-password.txt:2: the line after the subject must be empty"},
		{"an empty text", "de/email-taken.txt", "Subject: a\n\n  \n", "de/email-taken.txt:3: the text after the subject must not be empty"},
		{"a text without its link", "de/reset-password.txt", "Subject: a\n\nHello\n", "de/reset-password.txt: must contain {{.Link}} exactly once"},
		{"a link within a line", "de/reset-password.txt", "Subject: a\n\nHere: {{.Link}}\n", "de/reset-password.txt: must contain {{.Link}} exactly once"},
		{"HTML without its link", "de/reset-password.html", "<p>Hello</p>", "de/reset-password.html: must contain the link"},
		{"a layout without a button", "de/layout.html", `<html>{{template "content" .}}`, `de/layout.html: a layout must contain`},
		{"a misspelled file", "de/reset-pasword.txt", text, "de/reset-pasword.txt is not a template"},
		{"a file beside the folders", "reset-password.txt", text, "reset-password.txt is a file"},
		{"an unknown language", "german/reset-password.txt", text, "german: the directory name must be a BCP 47 language tag"},
		{"a language written like a locale", "de_AT/reset-password.txt", text, "did you mean de-AT?"},
		{"a language with a long name", "de-x-abcdefgh-abcdefgh-abcdefgh-abcde/reset-password.txt", text, "abcde: the language tag must have at most 35 bytes"},
		{"no language", "und/reset-password.txt", text, "und: the directory name"},
		{"a file that is too large", "de/reset-password.txt", text + strings.Repeat("x", 64<<10), "de/reset-password.txt: a template must have at most 65536 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := writeFolder(t, map[string]string{test.path: test.content})
			_, err := mail.LoadTemplates(dir)
			if err == nil {
				t.Fatal("got no error")
			}
			got := filepath.ToSlash(err.Error())
			if !strings.Contains(got, test.want) || !strings.HasPrefix(got, filepath.ToSlash(dir)) || strings.Contains(got, "\n") {
				t.Errorf("got %q, want one line that begins with the file and contains %q", got, test.want)
			}
		})
	}
}

func TestMissingTemplateFolderIsAnError(t *testing.T) {
	t.Parallel()
	_, err := mail.LoadTemplates(filepath.Join(t.TempDir(), "nowhere"))
	if err == nil || strings.Count(err.Error(), "nowhere") != 1 {
		t.Errorf("got %v, want an error that names the folder once", err)
	}
}

func TestLanguageMatchesAcceptLanguage(t *testing.T) {
	t.Parallel()
	const text = "Subject: S\n\n{{.Service}}\n"
	templates, err := mail.LoadTemplates(writeFolder(t, map[string]string{
		"de/email-taken.txt": text, "pt-BR/email-taken.txt": text, "zh-Hant/email-taken.txt": text,
	}))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, header, want string }{
		{"an empty header is English", "", "en"},
		{"German", "de", "de"},
		{"German from Switzerland is German", "de-CH,de;q=0.9,en;q=0.8", "de"},
		{"the highest quality wins", "en;q=0.5, de;q=0.7", "de"},
		{"the first of two", "en, de", "en"},
		{"the second choice if the first is missing", "fr, de;q=0.5", "de"},
		{"Portuguese from Portugal reads Brazilian", "pt-PT", "pt-BR"},
		{"Taiwan reads traditional characters", "zh-TW", "zh-Hant"},
		{"a wildcard is English", "*", "en"},
		{"Klingon is English", "tlh", "en"},
		{"English with quality 0 is still the fallback", "en;q=0", "en"},
		{"nonsense", "\x00;;q=q,,", "en"},
		{"the start of a header that is too long counts", "de," + strings.Repeat("fr,", 1<<20), "de"},
		{"the rest of a header that is too long does not count", strings.Repeat("fr,", 200) + "de", "en"},
		{"one long word", strings.Repeat("a", 1<<20), "en"},
		{"a million dashes", strings.Repeat("-", 1<<20), "en"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := templates.Language(test.header); got != test.want {
				t.Errorf("%.40q: got %s, want %s", test.header, got, test.want)
			}
		})
	}
}

func FuzzLanguage(f *testing.F) {
	templates, err := mail.LoadTemplates("")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"de-CH,de;q=0.9", "*", "x-y-z;q=1e400", "en-u-rg-dezzzz", "i-klingon,zh-min-nan"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if got := templates.Language(header); !slices.Contains(templates.Languages(), got) {
			t.Errorf("got the unknown language %q", got)
		}
	})
}

func sampleData(kind mail.Kind, hours int) mail.Data {
	d := mail.Data{Service: "Fieldgate", AppURL: "https://app.example.com", At: "2026-01-31 12:00 UTC", Network: "203.0.113.0/24", Detail: "STAFF"}
	notices := []mail.Kind{
		mail.EmailTaken, mail.AddressNotFree, mail.PasswordChanged, mail.AccountDeleted, mail.NewSignIn, mail.RoleChanged, mail.FailedSignIns,
		mail.FactorAdded, mail.FactorRemoved, mail.RecoveryCodeUsed, mail.WrongCode,
	}
	if !slices.Contains(notices, kind) {
		d.Link, d.Hours = link, hours
	}
	if kind == mail.EmailChanged || kind == mail.EmailChangeRequested {
		d.NewEmail = "new@example.com"
	}
	return d
}

var loadBuiltIn = sync.OnceValues(func() (*mail.Templates, error) { return mail.LoadTemplates("") })

func builtIn(t *testing.T) *mail.Templates {
	t.Helper()
	templates, err := loadBuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	return templates
}

func render(t *testing.T, templates *mail.Templates, kind mail.Kind, lang string, d mail.Data) *mail.Message {
	t.Helper()
	m, err := templates.Render(kind, lang, d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func writeFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// newMessage returns a message that can be sent.
func newMessage(t *testing.T, to string) *mail.Message {
	t.Helper()
	m := render(t, builtIn(t), mail.ResetPassword, "en", sampleData(mail.ResetPassword, 1))
	m.ID, m.To = fmt.Sprint(time.Now().UnixNano()), to
	return m
}

func TestMailDocsListEveryKind(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/mail.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range mail.Kinds {
		if !strings.Contains(string(manual), fmt.Sprintf("\n| `%s` |", kind)) {
			t.Errorf("docs/mail.md: want a row for %s", kind)
		}
	}
	files, err := os.ReadDir("templates/en")
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*len(mail.Kinds) + 3; len(files) != want {
		t.Errorf("got %d English files, want %d", len(files), want)
	}
}
