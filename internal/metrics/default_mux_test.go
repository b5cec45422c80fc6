package metrics

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// net/http/pprof registers its handlers on http.DefaultServeMux when it is imported. A server
// without a handler of its own would publish them.
func TestNoServerServesTheDefaultMux(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	servers := 0
	err = fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && path != ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, filepath.Join(root, path), nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if qualified(n.Type) == "http.Server" {
					servers++
					if !hasHandler(n) {
						t.Errorf("%s: an http.Server without a Handler", files.Position(n.Pos()))
					}
				}
			case *ast.SelectorExpr:
				switch name := qualified(n); name {
				case "http.Handle", "http.HandleFunc", "http.ListenAndServe", "http.ListenAndServeTLS", "http.Serve", "http.DefaultServeMux":
					t.Errorf("%s: %s", files.Position(n.Pos()), name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if servers < 2 {
		t.Errorf("got %d http.Server literals, want the public server and the one for metrics", servers)
	}
}

func qualified(e ast.Expr) string {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if pkg, ok := selector.X.(*ast.Ident); ok {
		return pkg.Name + "." + selector.Sel.Name
	}
	return ""
}

func hasHandler(server *ast.CompositeLit) bool {
	for _, element := range server.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Handler" {
				return true
			}
		}
	}
	return false
}
