package mail

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	texttemplate "text/template"

	"golang.org/x/text/language"
)

//go:embed templates
var embedded embed.FS

// The files of a language folder besides KIND.txt and KIND.html.
const (
	layoutFile   = "layout.html"  // the page around each KIND.html
	lifetimeFile = "lifetime.txt" // the validity of a link, in words
	originFile   = "origin.txt"   // the time and network of the cause, in words
)

const (
	maxTemplateBytes = 64 << 10
	maxLanguages     = 100
	maxTagBytes      = 35 // RFC 5646 section 4.4.1; the outbox column has the same length
)

// LoadTemplates reads the built-in templates and overlays them with the files of dir:
// LANGUAGE/KIND.txt, LANGUAGE/KIND.html, LANGUAGE/layout.html, LANGUAGE/lifetime.txt and
// LANGUAGE/origin.txt. LANGUAGE is a BCP 47 tag ("de", "pt-BR"). A new folder adds a language;
// files that it lacks are taken from English. If dir is "", only the built-in templates are loaded.
//
// LoadTemplates parses and renders all of them, so that a mistake stops the start. The error is one
// line that names the file. A file with an unknown name is an error too, because it is probably
// misspelled; only names that begin with a dot are ignored.
func LoadTemplates(dir string) (*Templates, error) {
	files := files{}
	builtIn, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	if err := files.read(builtIn, "built-in"); err != nil {
		return nil, err
	}
	if dir != "" {
		if err := files.read(os.DirFS(dir), dir); err != nil {
			return nil, err
		}
	}
	return files.compile()
}

// files holds the sources of all templates, by language and file name.
type files map[string]map[string]file

type file struct {
	path string // for error messages
	text string
}

func (f files) read(folder fs.FS, path string) error {
	entries, err := visibleNames(folder, ".")
	if err != nil {
		return fmt.Errorf("%s: %w", path, withoutPath(err))
	}
	for _, lang := range entries {
		if err := f.readLanguage(folder, path, lang); err != nil {
			return err
		}
	}
	return nil
}

func (f files) readLanguage(folder fs.FS, path, lang string) error {
	path = filepath.Join(path, lang)
	info, err := fs.Stat(folder, lang) // follows links, which a mounted Kubernetes ConfigMap uses
	if err != nil {
		return fmt.Errorf("%s: %w", path, withoutPath(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file: expected only directories named after a language, as in de or pt-BR", path)
	}
	if tag, err := language.Parse(lang); err != nil || tag.String() != lang || tag == language.Und {
		return fmt.Errorf("%s: the directory name must be a BCP 47 language tag%s", path, tagHint(tag))
	}
	if len(lang) > maxTagBytes {
		return fmt.Errorf("%s: the language tag must have at most %d bytes", path, maxTagBytes)
	}
	if f[lang] == nil {
		f[lang] = map[string]file{}
	}
	if len(f) > maxLanguages {
		return fmt.Errorf("%s: at most %d languages are supported", path, maxLanguages)
	}
	names, err := visibleNames(folder, lang)
	if err != nil {
		return fmt.Errorf("%s: %w", path, withoutPath(err))
	}
	for _, name := range names {
		read, err := readFile(folder, lang+"/"+name, filepath.Join(path, name))
		if err != nil {
			return err
		}
		f[lang][name] = read
	}
	return nil
}

func tagHint(tag language.Tag) string {
	if tag == language.Und {
		return ", as in de or pt-BR"
	}
	return fmt.Sprintf("; did you mean %s?", tag)
}

func readFile(folder fs.FS, name, path string) (file, error) {
	if base := filepath.Base(path); !slices.Contains(fileNames(), base) {
		return file{}, fmt.Errorf("%s is not a template: expected %s, %s, %s, or KIND.txt or KIND.html with a kind of %v",
			path, layoutFile, lifetimeFile, originFile, Kinds)
	}
	opened, err := folder.Open(name)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", path, withoutPath(err))
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, maxTemplateBytes+1))
	switch {
	case err != nil:
		return file{}, fmt.Errorf("%s: %w", path, withoutPath(err))
	case len(content) > maxTemplateBytes:
		return file{}, fmt.Errorf("%s: a template must have at most %d bytes", path, maxTemplateBytes)
	}
	text := strings.TrimPrefix(string(content), "\ufeff") // a byte order mark that an editor added
	return file{path, strings.ReplaceAll(text, "\r\n", "\n")}, nil
}

func fileNames() []string {
	names := []string{layoutFile, lifetimeFile, originFile}
	for _, kind := range Kinds {
		names = append(names, string(kind)+".txt", string(kind)+".html")
	}
	return names
}

// visibleNames lists the names in a folder. It omits those that begin with a dot, which version
// control, desktops and Kubernetes create.
func visibleNames(folder fs.FS, name string) (names []string, err error) {
	entries, err := fs.ReadDir(folder, name)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// withoutPath removes the path from an error, because the message already contains it in full.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// lookup returns a language's file, or the English one.
func (f files) lookup(lang, name string) (_ file, from string) {
	if found, ok := f[lang][name]; ok {
		return found, lang
	}
	return f[english][name], english
}

// languages returns English first, because the matcher falls back to its first language.
func (f files) languages() []string {
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(f)), func(lang string) bool { return lang == english })
	return append([]string{english}, others...)
}

func (f files) compile() (*Templates, error) {
	t := &Templates{byLanguage: map[string]map[Kind]kindTemplates{}}
	var tags []language.Tag
	for _, lang := range f.languages() {
		t.languages = append(t.languages, lang)
		tags = append(tags, language.MustParse(lang))
		t.byLanguage[lang] = map[Kind]kindTemplates{}
		for _, kind := range Kinds {
			compiled, err := f.compileKind(lang, kind)
			if err != nil {
				return nil, err
			}
			t.byLanguage[lang][kind] = compiled
			if err := t.checkKind(lang, kind); err != nil {
				return nil, err
			}
		}
	}
	t.matcher = language.NewMatcher(tags)
	return t, nil
}

func (f files) compileKind(lang string, kind Kind) (compiled kindTemplates, err error) {
	text, _ := f.lookup(lang, string(kind)+".txt")
	content, htmlLanguage := f.lookup(lang, string(kind)+".html")
	layout, _ := f.lookup(lang, layoutFile)
	lifetime, _ := f.lookup(lang, lifetimeFile)
	origin, _ := f.lookup(lang, originFile)

	compiled = kindTemplates{textFile: text.path, htmlFile: content.path, htmlLanguage: htmlLanguage}
	compiled.text, err = texttemplate.New(text.path).Parse(text.text)
	if err == nil {
		err = addText(compiled.text, "lifetime", lifetime)
	}
	if err == nil {
		err = addText(compiled.text, "origin", origin)
	}
	if err == nil {
		compiled.html, err = htmltemplate.New(layout.path).Parse(layout.text)
	}
	if err == nil {
		err = addHTML(compiled.html, "content", content)
	}
	if err == nil {
		err = addHTML(compiled.html, "lifetime", lifetime)
	}
	if err == nil {
		err = addHTML(compiled.html, "origin", origin)
	}
	switch {
	case err != nil:
		return kindTemplates{}, oneLine(err)
	case compiled.html.Lookup("button") == nil || !strings.Contains(layout.text, `template "content" .`):
		return kindTemplates{}, fmt.Errorf(`%s: a layout must contain {{template "content" .}} and define the template "button"`, layout.path)
	}
	return compiled, nil
}

// addText parses a file under its path, which errors contain, and defines it under the name that
// templates use.
func addText(to *texttemplate.Template, name string, f file) error {
	_, err := to.New(f.path).Parse(strings.TrimRight(f.text, "\n"))
	if err == nil {
		_, err = to.New(name).Parse(fmt.Sprintf("{{template %q .}}", f.path))
	}
	return err
}

func addHTML(to *htmltemplate.Template, name string, f file) error {
	_, err := to.New(f.path).Parse(strings.TrimRight(f.text, "\n"))
	if err == nil {
		_, err = to.New(name).Parse(fmt.Sprintf("{{template %q .}}", f.path))
	}
	return err
}

// checkKind renders a kind with sample data. A translation may lose the link, which must not go
// unnoticed until a user needs it.
func (t *Templates) checkKind(lang string, kind Kind) error {
	for _, hours := range []int{1, 24, 24 * 7} {
		sample := Data{
			Service: "Example", AppURL: "https://app.example.com", NewEmail: "ada@example.com",
			At: "2026-01-31 12:00 UTC", Network: "203.0.113.0/24", Detail: "12", Account: "a•••@e•••.example",
		}
		if !kind.isNotice() {
			sample.Link, sample.Hours = "https://app.example.com/page#token=0-_a", hours
		}
		m, err := t.Render(kind, lang, sample)
		if err != nil {
			return err
		}
		if err := t.byLanguage[lang][kind].checkLink(m); err != nil {
			return err
		}
	}
	return nil
}

func (t kindTemplates) checkLink(m *Message) error {
	switch {
	case m.Link == "":
		return nil
	case !slices.Contains(strings.Split(m.Text, "\n"), m.Link) || strings.Count(m.Text, m.Link) != 1:
		return fmt.Errorf("%s: must contain {{.Link}} exactly once, on its own line", t.textFile)
	case !strings.Contains(m.HTML, `href="`+m.Link+`"`):
		return fmt.Errorf(`%s: must contain the link; add {{template "button" (.Button "LABEL")}}`, t.htmlFile)
	}
	return nil
}
