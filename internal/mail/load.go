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

// What there is in a folder besides KIND.txt and KIND.html.
const (
	layoutFile   = "layout.html"  // the page around a KIND.html
	lifetimeFile = "lifetime.txt" // how long a link works, in words
	originFile   = "origin.txt"   // when and from where a message was caused, in words
)

const (
	maxTemplateBytes = 64 << 10
	maxLanguages     = 100
	maxTagBytes      = 35 // as RFC 5646 section 4.4.1 asks to have room for; the outbox has no more
)

// LoadTemplates reads the built-in templates and lays the files of dir over
// them: LANGUAGE/KIND.txt, LANGUAGE/KIND.html, LANGUAGE/layout.html,
// LANGUAGE/lifetime.txt and LANGUAGE/origin.txt, where LANGUAGE is a BCP 47 tag ("de", "pt-BR"). A new folder adds a
// language; a file that it lacks is taken from English. With "" there are only the
// built-in ones.
//
// All of them are parsed and tried out here, so that a mistake stops the start:
// the error is one line, and names the file. So does the error for a file that
// has no meaning, which is a misspelled one; only names that begin with a dot are
// passed over.
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

// files are the sources of all templates, by language and name.
type files map[string]map[string]file

type file struct {
	path string // for people
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
	info, err := fs.Stat(folder, lang) // follows links: a mounted Kubernetes ConfigMap is made of them
	if err != nil {
		return fmt.Errorf("%s: %w", path, withoutPath(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file; expected only folders named like a language, as in de or pt-BR", path)
	}
	if tag, err := language.Parse(lang); err != nil || tag.String() != lang || tag == language.Und {
		return fmt.Errorf("%s: the name of the folder must be the BCP 47 tag of a language%s", path, tagHint(tag))
	}
	if len(lang) > maxTagBytes {
		return fmt.Errorf("%s: the tag has more than %d bytes", path, maxTagBytes)
	}
	if f[lang] == nil {
		f[lang] = map[string]file{}
	}
	if len(f) > maxLanguages {
		return fmt.Errorf("%s: more than %d languages", path, maxLanguages)
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
	return fmt.Sprintf(": is it %s?", tag)
}

func readFile(folder fs.FS, name, path string) (file, error) {
	if base := filepath.Base(path); !slices.Contains(fileNames(), base) {
		return file{}, fmt.Errorf("%s is no template; the names are %s, %s, %s, and .txt and .html of %v", path, layoutFile, lifetimeFile, originFile, Kinds)
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
		return file{}, fmt.Errorf("%s: more than %d bytes", path, maxTemplateBytes)
	}
	text := strings.TrimPrefix(string(content), "\ufeff") // an editor's mark
	return file{path, strings.ReplaceAll(text, "\r\n", "\n")}, nil
}

func fileNames() []string {
	names := []string{layoutFile, lifetimeFile, originFile}
	for _, kind := range Kinds {
		names = append(names, string(kind)+".txt", string(kind)+".html")
	}
	return names
}

// visibleNames lists what is in a folder, without what begins with a dot, as what
// version control, desktops and Kubernetes leave there does.
func visibleNames(folder fs.FS, name string) (names []string, err error) {
	entries, err := fs.ReadDir(folder, name)
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names, err
}

// withoutPath leaves the path out of an error: it is said already, and in full.
func withoutPath(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// lookup finds a language's file, or the English one.
func (f files) lookup(lang, name string) (_ file, from string) {
	if found, ok := f[lang][name]; ok {
		return found, lang
	}
	return f[english][name], english
}

// languages puts English first, since the matcher takes the first one for want of a better.
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
		return kindTemplates{}, fmt.Errorf(`%s: it must say {{template "content" .}} and define "button"`, layout.path)
	}
	return compiled, nil
}

// addText parses a file under its path, which errors say, and calls it by the
// name that templates say.
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

// checkKind renders a kind with data like real ones. Whoever translates a text may
// lose the link, and the first to notice would be somebody who needs it.
func (t *Templates) checkKind(lang string, kind Kind) error {
	for _, hours := range []int{1, 24, 24 * 7} {
		sample := Data{Service: "Example", AppURL: "https://app.example.com", NewEmail: "ada@example.com", At: "2026-01-31 12:00 UTC", Network: "203.0.113.0/24", Detail: "12", Account: "a•••@e•••.example"}
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
		return fmt.Errorf("%s: {{.Link}} must stand in it once, on a line of its own", t.textFile)
	case !strings.Contains(m.HTML, `href="`+m.Link+`"`):
		return fmt.Errorf(`%s: nothing in it leads to the link; write {{template "button" (.Button "what it does")}}`, t.htmlFile)
	}
	return nil
}
