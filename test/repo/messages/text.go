package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// schemaMessages returns the descriptions of the schema.
func schemaMessages() (list []message, err error) {
	const name = "schema.graphqls"
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	document, err := parser.ParseSchema(&ast.Source{Name: name, Input: string(text)})
	if err != nil {
		return nil, err
	}
	add := func(coordinate, description string) {
		if description != "" {
			list = append(list, message{"schema", name, coordinate + ": " + description})
		}
	}
	for _, d := range document.Directives {
		add("@"+d.Name, d.Description)
		for _, a := range d.Arguments {
			add("@"+d.Name+"("+a.Name+":)", a.Description)
		}
	}
	for _, d := range append(document.Definitions, document.Extensions...) {
		add(d.Name, d.Description)
		for _, v := range d.EnumValues {
			add(d.Name+"."+v.Name, v.Description)
		}
		for _, f := range d.Fields {
			add(d.Name+"."+f.Name, f.Description)
			for _, a := range f.Arguments {
				add(d.Name+"."+f.Name+"("+a.Name+":)", a.Description)
			}
		}
	}
	return list, nil
}

var (
	hidden     = regexp.MustCompile(`(?s)<!--.*?-->|<script\b.*?</script>|<style\b.*?</style>`)
	attributes = regexp.MustCompile(`\b(?:alt|title|placeholder|aria-label|content)="([^"]*\pL [^"]*)"`)
	tag        = regexp.MustCompile(`(?s)</?[a-zA-Z!][^<>]*>`)
	action     = regexp.MustCompile(`\{\{[^"}]*\}\}|\{\{(?:define|template) "[^"]*"[ .]*\}\}`)
	letters    = regexp.MustCompile(`\pL{2}`)
)

// markupMessages returns the visible text of pages and mails, and the comments of the examples that
// the playground shows.
func markupMessages() ([]message, error) {
	return filesMessages(map[string]string{
		"internal/mail/templates": "mails", "internal/pages": "pages", "playground": "playground",
	}, []string{".html", ".txt", ".tmpl", ".graphql"}, func(name, text string) (texts []string) {
		if strings.HasSuffix(name, ".graphql") {
			for line := range strings.Lines(text) {
				comment, ok := strings.CutPrefix(strings.TrimSpace(line), "#")
				if ok && !strings.HasPrefix(strings.TrimSpace(comment), "{") { // not the variables
					texts = append(texts, comment)
				}
			}
			return texts
		}
		text = hidden.ReplaceAllString(text, "")
		for _, found := range attributes.FindAllStringSubmatch(text, -1) {
			texts = append(texts, found[1])
		}
		for line := range strings.Lines(tag.ReplaceAllString(text, "\n")) {
			if !strings.HasPrefix(strings.TrimSpace(line), "{{-") && letters.MatchString(action.ReplaceAllString(line, "")) {
				texts = append(texts, line)
			}
		}
		return texts
	})
}

var (
	comments = regexp.MustCompile(`(?s:/\*.*?\*/)|(?m:^\s*//.*$)|\s//\s.*`)
	code     = regexp.MustCompile(`^(mutation|query|readonly|Bearer|return|Promise)\b|^submit: |^[{|)]|^\(\) `)
	// Every literal is matched, so that none begins at the closing quote of another one.
	literals  = regexp.MustCompile("'((?:[^'\\\\\n]|\\\\.)*)'|\"((?:[^\"\\\\\n]|\\\\.)*)\"|`([^`]*)`|>([^<>{}=;]*\\pL\\pL[^<>{}=;]*)<")
	sentences = regexp.MustCompile(`\pL[,.:;)]? +[("'$\pL]`)
)

// scriptMessages returns the texts of the pages' scripts, the playground and the example apps.
func scriptMessages() ([]message, error) {
	return filesMessages(map[string]string{
		"internal/pages": "pages", "playground/src": "playground", "examples/apollo/src": "example apps", "examples/urql/src": "example apps",
	}, []string{".js", ".jsx", ".ts", ".tsx"}, func(name, text string) (texts []string) {
		if strings.Contains(name, ".test.") || strings.Contains(name, "fake-") {
			return nil
		}
		text = strings.ReplaceAll(comments.ReplaceAllString(text, ""), "=>", "=")
		for _, found := range literals.FindAllStringSubmatch(text, -1) {
			quoted, shown := found[1]+found[2]+found[3], found[4]
			oneLine := strings.Join(strings.Fields(quoted+shown), " ")
			if (shown != "" || sentences.MatchString(quoted)) && !code.MatchString(oneLine) {
				texts = append(texts, oneLine)
			}
		}
		return texts
	})
}

// filesMessages collects the texts of the files below folders that have one of the endings.
func filesMessages(folders map[string]string, endings []string, texts func(name, text string) []string) (list []message, err error) {
	for folder, kind := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "dist" || entry.Name() == "generated") {
				return filepath.SkipDir
			}
			if entry.IsDir() || !hasEnding(path, endings) {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, t := range texts(path, string(text)) {
				if letters.MatchString(t) {
					list = append(list, message{kind, filepath.ToSlash(path), t})
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func hasEnding(path string, endings []string) bool {
	for _, ending := range endings {
		if strings.HasSuffix(path, ending) {
			return true
		}
	}
	return false
}
