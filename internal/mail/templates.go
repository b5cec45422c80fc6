package mail

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"

	"golang.org/x/text/language"
)

// english is the language that is always there, and complete.
const english = "en"

// Templates are all texts, in all languages.
type Templates struct {
	languages  []string // english first
	matcher    language.Matcher
	byLanguage map[string]map[Kind]kindTemplates // by language
}

// byLanguage are a kind's templates in one language.
type kindTemplates struct {
	text         *texttemplate.Template
	html         *htmltemplate.Template
	textFile     string // for errors
	htmlFile     string
	htmlLanguage string // english, if that is where the HTML had to be taken from
}

// Languages returns the languages there are templates for: BCP 47 tags, "en"
// first and the others by name.
func (t *Templates) Languages() []string { return append([]string(nil), t.languages...) }

// maxAcceptLanguage is far beyond what browsers send, and bounds the work for
// what others do.
const maxAcceptLanguage = 512

// Language returns the one of Languages that serves best whoever sent the header
// Accept-Language (RFC 9110 section 12.5.4); "en" if none does, or the header is
// not one.
func (t *Templates) Language(acceptLanguage string) string {
	if len(acceptLanguage) > maxAcceptLanguage {
		cut := strings.LastIndexByte(acceptLanguage[:maxAcceptLanguage], ',')
		acceptLanguage = acceptLanguage[:max(cut, 0)]
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return english
	}
	_, i, _ := t.matcher.Match(tags...) // the first one, which is English, if there is no match
	return t.languages[i]
}

// Render makes a message, all but ID and To. What is not one of Languages is
// English. It refuses data with control characters in it, and an empty Link of a
// kind that is for nothing else.
func (t *Templates) Render(kind Kind, lang string, d Data) (*Message, error) {
	byKind, ok := t.byLanguage[lang]
	if !ok {
		lang, byKind = english, t.byLanguage[english]
	}
	these, ok := byKind[kind]
	if !ok {
		return nil, fmt.Errorf("mail: there is no kind %q", kind)
	}
	if err := d.check(kind); err != nil {
		return nil, err
	}
	m := &Message{Link: d.Link, Language: lang}
	var err error
	if m.Subject, m.Text, err = these.renderText(templateData{Data: d, Language: lang}); err != nil {
		return nil, err
	}
	if m.HTML, err = these.renderHTML(templateData{Data: d, Language: these.htmlLanguage, Subject: m.Subject}); err != nil {
		return nil, err
	}
	return m, nil
}

func (d Data) check(kind Kind) error {
	if !kind.isNotice() && d.Link == "" {
		return fmt.Errorf("mail: %s without a link", kind)
	}
	for name, value := range map[string]string{"Service": d.Service, "AppURL": d.AppURL, "Link": d.Link, "NewEmail": d.NewEmail, "At": d.At, "Network": d.Network, "Detail": d.Detail, "Account": d.Account} {
		if value != "" && !isPlainLine(value) {
			return fmt.Errorf("mail: %s has a control character in it", name)
		}
	}
	return nil
}

// templateData is what a template sees: Data, and what only the layout needs.
type templateData struct {
	Data
	Language string
	Subject  string // only in HTML
}

// Days is how long Link works, in whole days; 0 if that is better said in hours.
func (v templateData) Days() int {
	if v.Hours%24 == 0 && v.Hours > 48 {
		return v.Hours / 24
	}
	return 0
}

// Button is what the template "button" takes: {{template "button" (.Button "Choose a new password")}}.
func (v templateData) Button(label string) map[string]string {
	return map[string]string{"Label": label, "Link": v.Link}
}

const subjectPrefix = "Subject: "

func (t kindTemplates) renderText(v templateData) (subject, text string, err error) {
	var out strings.Builder
	if err := t.text.Execute(&out, v); err != nil {
		return "", "", oneLine(err)
	}
	first, rest, _ := strings.Cut(out.String(), "\n")
	subject, ok := strings.CutPrefix(first, subjectPrefix)
	empty, text, _ := strings.Cut(rest, "\n")
	switch subject = strings.TrimSpace(subject); {
	case !ok || !isPlainLine(subject) || len(subject) > maxSubjectBytes:
		return "", "", fmt.Errorf("%s:1: the first line must be %q and a subject of at most %d bytes, without control characters",
			t.textFile, strings.TrimSpace(subjectPrefix), maxSubjectBytes)
	case strings.TrimSpace(empty) != "":
		return "", "", fmt.Errorf("%s:2: the line after the subject must be empty", t.textFile)
	case strings.TrimSpace(text) == "":
		return "", "", fmt.Errorf("%s:3: there is no text after the subject", t.textFile)
	}
	return subject, strings.TrimSpace(text) + "\n", nil
}

func (t kindTemplates) renderHTML(v templateData) (string, error) {
	var out bytes.Buffer
	if err := t.html.Execute(&out, v); err != nil {
		if _, ok := errors.AsType[*htmltemplate.Error](err); ok { // a tag that is left open is noticed behind it, in the layout
			return "", fmt.Errorf("%s: %w", t.htmlFile, oneLine(err))
		}
		return "", oneLine(err)
	}
	return out.String(), nil
}

// oneLine cuts the name of the library off: what is left begins with the file and the line.
func oneLine(err error) error {
	message := strings.TrimPrefix(err.Error(), "html/")
	message = strings.TrimPrefix(message, "template: ")
	message = strings.TrimPrefix(message, "template:")
	return fmt.Errorf("%s", strings.Join(strings.Fields(message), " "))
}
