package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// kits are packages that only tests and benchmarks use.
var kits = []string{
	"app", "bench", "examples", "graph/generated", "internal/clustertest", "internal/dbtest", "internal/mailtest",
	"internal/npmtest", "internal/programtest", "internal/repotest", "internal/schematest", "policytest", "servertest", "test",
}

// logMethods are the methods and functions of log/slog that take a message.
var logMethods = []string{
	"Debug", "Info", "Warn", "Error", "Log", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "LogAttrs",
}

// internals are functions whose text is not read: parts of a query, headers, and names of counters.
var internals = []string{
	"Add", "Exec", "Group", "Header", "Joins", "Key", "Order", "QueryRow", "Raw", "Select", "Set", "Where", "isLimited",
}

var (
	words = regexp.MustCompile(`\pL\pL*[,.:;)]? +[(%{"'<]*\pL`)
	query = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|SHOW|SET|PRAGMA|WITH|EXPLAIN|BEGIN|SAVEPOINT|RELEASE|ROLLBACK|LOCK|ANALYZE|START|AND|OR|CASE|FROM|WHERE|ORDER|VALUES|JOIN|VACUUM|FORCE INDEX|INDEXED BY)\b` +
		`|(?i:\b(is null|is not null|asc|desc|and [a-z_]+ [<>=]+|[<>=]+ \?|\? and|not null|primary key))|^[A-Za-z_.]+ (=|<|>|IN) ?\(?\?` +
		`|^[a-z_]+(, ?[a-z_]+)+( unique)?$|^[a-z]+_[a-z_]+ unique$|^\(\?\)|^sessions\.id = |, COUNT\(`)
	// markup is text for a machine: policies, media types, tags, PEM labels, directives, and the
	// labels that separate the uses of a key.
	markup = regexp.MustCompile(`^(default-src|; script-src|text/|application/json; charset|public, max-age|<[a-z]|\(\?s\)|-- \+goose|directive @|fieldgate \w+ ?\w*(·|,? ?\w*$)|fieldgate demo,|((EC|RSA|ENCRYPTED) )?(PRIVATE KEY|PARAMETERS)$|Accept, |GET, POST$|OTel OTLP )`)
)

// goMessages returns the string literals that have words in them, by the kind of their place.
func goMessages() (list []message, err error) {
	err = filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path = filepath.ToSlash(path)
		if entry.IsDir() {
			if slices.Contains(kits, path) || path != "." && strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		c := &collector{path: path}
		ast.Walk(c, file)
		list = append(list, c.list...)
		return nil
	})
	return list, err
}

// collector is a visitor that knows the innermost call around a literal.
type collector struct {
	path string
	call string
	list []message
}

func (c *collector) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.ImportSpec:
		return nil
	case *ast.Field: // not the tags of a struct
		for _, part := range []ast.Node{n.Type} {
			ast.Walk(c, part)
		}
		return nil
	case *ast.CallExpr:
		inner := &collector{path: c.path, call: callee(n)}
		if slices.Contains(internals, inner.call) {
			return nil
		}
		ast.Walk(inner, n.Fun)
		for i, argument := range n.Args {
			if text, ok := joined(argument); ok && i == logMessage(inner.call) {
				inner.list = append(inner.list, message{inner.kind(), c.path, text}) // also a single word
				continue
			}
			ast.Walk(inner, argument)
		}
		c.list = append(c.list, inner.list...)
		return nil
	case *ast.ValueSpec: // the events of the log and of the audit log
		if text, ok := joined(first(n.Values)); ok && strings.HasPrefix(n.Names[0].Name, "Event") {
			c.list = append(c.list, message{"events", c.path, text})
			return nil
		}
	case *ast.BinaryExpr:
		if text, ok := joined(n); ok {
			c.add(text)
			return nil
		}
	case *ast.BasicLit:
		if text, ok := joined(n); ok {
			c.add(text)
		}
	}
	return c
}

func (c *collector) add(text string) {
	if words.MatchString(text) && !query.MatchString(text) && (c.kind() == "commands" || !markup.MatchString(text)) {
		c.list = append(c.list, message{kind: c.kind(), file: c.path, text: text})
	}
}

func (c *collector) kind() string {
	switch {
	case slices.Contains(logMethods, c.call):
		return "log lines"
	case strings.HasPrefix(c.path, "internal/metrics/"), strings.HasPrefix(c.call, "prometheus."):
		return "metrics"
	case strings.HasPrefix(c.path, "internal/doctor/"):
		return "doctor"
	case strings.HasPrefix(c.path, "internal/config/"):
		return "configuration"
	case strings.HasPrefix(c.path, "internal/cli/"):
		return "commands"
	}
	return "errors and other texts"
}

// logMessage returns the index of the message among the arguments of a log method, or -1.
func logMessage(method string) int {
	switch {
	case !slices.Contains(logMethods, method):
		return -1
	case method == "Log", method == "LogAttrs":
		return 2
	case strings.HasSuffix(method, "Context"):
		return 1
	}
	return 0
}

// first returns the first expression of a list; nil if it is empty.
func first(list []ast.Expr) ast.Expr {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// callee is the name of a called function or method, without its package or receiver.
func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// joined returns a literal, or the text of literals that are added up. Other operands become {…}.
func joined(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, isLeft := joined(e.X)
		right, isRight := joined(e.Y)
		switch {
		case isLeft && isRight:
			return left + right, true
		case isLeft:
			return left + "{…}", true
		case isRight:
			return "{…}" + right, true
		}
	}
	return "", false
}
