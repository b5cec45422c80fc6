package repo

import (
	"regexp"
	"strings"
	"testing"
)

// dockerignored returns a function that reports whether .dockerignore excludes a path. The last
// pattern that matches the path or one of its folders decides.
func dockerignored(t *testing.T) func(path string) bool {
	t.Helper()
	type pattern struct {
		form *regexp.Regexp
		keep bool
	}
	var patterns []pattern
	for line := range strings.Lines(fileText(t, ".dockerignore")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		line, keep := strings.CutPrefix(line, "!")
		form := strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(line))
		patterns = append(patterns, pattern{regexp.MustCompile(`^` + form + `(/.*)?$`), keep})
	}
	return func(path string) (out bool) {
		for _, p := range patterns {
			if p.form.MatchString(path) {
				out = !p.keep
			}
		}
		return out
	}
}

func TestDockerignoreExcludesSecrets(t *testing.T) {
	t.Parallel()
	excluded := dockerignored(t)
	for path, want := range map[string]bool{
		".env": true, ".git/config": true, "fieldgate.db": true, "fieldgate.db.key": true, "jwt.pem": true, "deploy/fieldgate.env.example": true,
		"server_test.go": true, "models/store_test.go": true, "playground/dist/index.html": true, "playground/node_modules/react/index.js": true,
		"server.go": false, "models/migrations/mysql/00001_users.sql": false, "schema.graphqls": false, "playground/src/main.jsx": false, "playground/.npmrc": false,
	} {
		if excluded(path) != want {
			t.Errorf("%s is excluded: %t, want %t", path, !want, want)
		}
	}
}

func TestDockerignoreIncludesEveryPackage(t *testing.T) {
	t.Parallel()
	imports := map[string][]string{}
	for _, p := range packages(t) {
		imports[p.ImportPath] = p.Imports
	}
	excluded, seen := dockerignored(t), map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if !isFieldgatePackage(path) || seen[path] {
			return
		}
		seen[path] = true
		if file := strings.TrimPrefix(strings.TrimPrefix(path, "fieldgate"), "/") + "/x.go"; excluded(strings.TrimPrefix(file, "/")) {
			t.Errorf(".dockerignore excludes the package %s", path)
		}
		for _, p := range imports[path] {
			visit(p)
		}
	}
	visit("fieldgate")
}
