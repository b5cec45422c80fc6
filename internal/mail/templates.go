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

// english is the fallback language. Its templates are complete.
const english = "en"

// Templates holds the templates of all kinds in all languages.
type Templates struct {
	languages  []string // english first
	matcher    language.Matcher
	byLanguage map[string]map[Kind]kindTemplates // by language
}

// kindTemplates holds the templates of one kind in one language.
type kindTemplates struct {
	text         *texttemplate.Template
	html         *htmltemplate.Template
	textFile     string // for errors
	htmlFile     string
	htmlLanguage string // english if the HTML falls back to English
}

// Languages returns the available languages as BCP 47 tags: "en" first, the others sorted.
func (t *Templates) Languages() []string { return append([]string(nil), t.languages...) }

// maxAcceptLanguage bounds the parsed part of an Accept-Language header, in bytes. Browsers send
// far less.
const maxAcceptLanguage = 512

// Language returns the available language that best matches an Accept-Language header (RFC 9110
// section 12.5.4). It returns "en" if none matches or the header is invalid.
func (t *Templates) Language(acceptLanguage string) string {
	if len(acceptLanguage) > maxAcceptLanguage {
		cut := strings.LastIndexByte(acceptLanguage[:maxAcceptLanguage], ',')
		acceptLanguage = acceptLanguage[:max(cut, 0)]
	}
	tags, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return english
	}
	_, i, _ := t.matcher.Match(tags...) // index 0, English, if there is no match
	return t.languages[i]
}

// Render renders a message without its ID and To. An unknown language falls back to English. Data
// with control characters is an error, and so is a missing Link, except for a notice.
func (t *Templates) Render(kind Kind, lang string, d Data) (*Message, error) {
	byKind, ok := t.byLanguage[lang]
	if !ok {
		lang, byKind = english, t.byLanguage[english]
	}
	templates, ok := byKind[kind]
	if !ok {
		return nil, fmt.Errorf("mail: unknown kind %q", kind)
	}
	if err := d.check(kind); err != nil {
		return nil, err
	}
	m := &Message{Link: d.Link, Language: lang}
	var err error
	if m.Subject, m.Text, err = templates.renderText(templateData{Data: d, Language: lang}); err != nil {
		return nil, err
	}
	if m.HTML, err = templates.renderHTML(templateData{Data: d, Language: templates.htmlLanguage, Subject: m.Subject}); err != nil {
		return nil, err
	}
	return m, nil
}

func (d Data) check(kind Kind) error {
	if !kind.isNotice() && d.Link == "" {
		return fmt.Errorf("mail: %s requires a link", kind)
	}
	for name, value := range map[string]string{
		"Service": d.Service, "AppURL": d.AppURL, "Link": d.Link, "NewEmail": d.NewEmail, "At": d.At,
		"Network": d.Network, "Detail": d.Detail, "Account": d.Account,
	} {
		if value != "" && !isPlainLine(value) {
			return fmt.Errorf("mail: %s must not contain control characters", name)
		}
	}
	return nil
}

// templateData is what a template can use: Data, and fields of the layout.
type templateData struct {
	Data
	Language string
	Subject  string // only in HTML
}

// Days returns the validity of Link in whole days, or 0 if it is better written in hours.
func (v templateData) Days() int {
	if v.Hours%24 == 0 && v.Hours > 48 {
		return v.Hours / 24
	}
	return 0
}

// Button returns the data of the template "button", which renders the link with a label.
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
		return "", "", fmt.Errorf("%s:1: the first line must be %q with a subject of at most %d bytes and no control characters",
			t.textFile, strings.TrimSpace(subjectPrefix), maxSubjectBytes)
	case strings.TrimSpace(empty) != "":
		return "", "", fmt.Errorf("%s:2: the line after the subject must be empty", t.textFile)
	case strings.TrimSpace(text) == "":
		return "", "", fmt.Errorf("%s:3: the text after the subject must not be empty", t.textFile)
	}
	return subject, strings.TrimSpace(text) + "\n", nil
}

func (t kindTemplates) renderHTML(v templateData) (string, error) {
	var out bytes.Buffer
	if err := t.html.Execute(&out, v); err != nil {
		// For a tag left open, the error names only the layout.
		if _, ok := errors.AsType[*htmltemplate.Error](err); ok {
			return "", fmt.Errorf("%s: %w", t.htmlFile, oneLine(err))
		}
		return "", oneLine(err)
	}
	return out.String(), nil
}

// oneLine removes the library's name from an error, so that it begins with the file and line.
func oneLine(err error) error {
	message := strings.TrimPrefix(err.Error(), "html/")
	message = strings.TrimPrefix(message, "template: ")
	message = strings.TrimPrefix(message, "template:")
	return fmt.Errorf("%s", strings.Join(strings.Fields(message), " "))
}
