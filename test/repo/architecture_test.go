package repo

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// allowedImports lists, for each package, the packages of this module that it may import.
var allowedImports = map[string][]string{
	"fieldgate":                     {"fieldgate/internal/cli"},
	"fieldgate/internal/cli":        {"fieldgate/graph", "fieldgate/internal/account", "fieldgate/internal/auth", "fieldgate/internal/breached", "fieldgate/models", "fieldgate/internal/policy", "fieldgate/internal/config", "fieldgate/internal/devlog", "fieldgate/internal/doctor", "fieldgate/internal/spelling", "fieldgate/internal/mail", "fieldgate/internal/server", "fieldgate/internal/trace", "fieldgate/internal/version", "fieldgate/internal/web"},
	"fieldgate/internal/server":     {"fieldgate/internal/keyring", "fieldgate/app", "fieldgate/extend", "fieldgate/internal/product", "fieldgate/fgerr", "fieldgate/graph", "fieldgate/internal/account", "fieldgate/internal/auth", "fieldgate/internal/breached", "fieldgate/models", "fieldgate/internal/policy", "fieldgate/internal/config", "fieldgate/internal/devlog", "fieldgate/internal/guard", "fieldgate/internal/mail", "fieldgate/internal/metrics", "fieldgate/internal/pages", "fieldgate/internal/trace", "fieldgate/internal/trace/export", "fieldgate/internal/version", "fieldgate/internal/web", "fieldgate/playground"},
	"fieldgate/internal/version":    {},
	"fieldgate/graph":               {"fieldgate/app", "fieldgate/internal/hook", "fieldgate/fgerr", "fieldgate/graph/generated", "fieldgate/internal/account", "fieldgate/internal/auth", "fieldgate/models", "fieldgate/internal/policy", "fieldgate/internal/guard", "fieldgate/internal/limit", "fieldgate/internal/trace", "fieldgate/internal/web"},
	"fieldgate/graph/generated":     {"fieldgate/models"},
	"fieldgate/internal/account":    {"fieldgate/internal/keyring", "fieldgate/internal/totp", "fieldgate/extend", "fieldgate/internal/hook", "fieldgate/internal/auth", "fieldgate/models", "fieldgate/internal/policy", "fieldgate/internal/limit", "fieldgate/internal/mail", "fieldgate/internal/trace"},
	"fieldgate/internal/breached":   {},
	"fieldgate/internal/auth":       {"fieldgate/models", "fieldgate/internal/web"},
	"fieldgate/models":              {"fieldgate/internal/dbwatch", "fieldgate/internal/limit", "fieldgate/internal/trace"},
	"fieldgate/internal/dbwatch":    {},
	"fieldgate/internal/policy":     {},
	"fieldgate/internal/guard":      {"fieldgate/fgerr"},
	"fieldgate/internal/limit":      {},
	"fieldgate/internal/totp":       {},
	"fieldgate/internal/keyring":    {},
	"fieldgate/internal/mail":       {},
	"fieldgate/internal/metrics":    {},
	"fieldgate/internal/pages":      {},
	"fieldgate/playground":          {},
	"fieldgate/internal/config":     {"fieldgate/internal/spelling"},
	"fieldgate/internal/spelling":   {},
	"fieldgate/internal/trace":      {},
	"fieldgate/internal/web":        {"fieldgate/fgerr"},
	"fieldgate/fgerr":               {},
	"fieldgate/viewer":              {"fieldgate/internal/auth", "fieldgate/models"},
	"fieldgate/extend":              {"fieldgate/models"},
	"fieldgate/internal/hook":       {"fieldgate/extend", "fieldgate/fgerr", "fieldgate/models"},
	"fieldgate/internal/product":    {"fieldgate/app", "fieldgate/extend", "fieldgate/internal/hook", "fieldgate/models"},
	"fieldgate/internal/devlog":     {},
	"fieldgate/internal/doctor":     {"fieldgate/models", "fieldgate/internal/config"},
	"fieldgate/internal/dbtest":     {}, // for tests and bench only
	"fieldgate/internal/mailtest":   {}, // tests only
	"fieldgate/internal/schematest": {}, // tests only

	"fieldgate/internal/trace/export": {"fieldgate/internal/trace"},
	// Tests only.
	"fieldgate/internal/programtest": {"fieldgate/internal/clustertest", "fieldgate/internal/dbtest"},
	// Tests only.
	"fieldgate/test/endurance": {},
	// Tests only.
	"fieldgate/test/deploy": {},
	// A generator.
	"fieldgate/test/repo/messages": {},
	// Tests only.
	"fieldgate/internal/clustertest": {"fieldgate/internal/dbtest"},
	// A separate program.
	"fieldgate/bench": {"fieldgate/internal/auth", "fieldgate/internal/dbtest", "fieldgate/models"},

	// Packages for the tests of a product, and for Fieldgate's own tests.
	"fieldgate/servertest":                 {"fieldgate/graph", "fieldgate/policytest", "fieldgate/app", "fieldgate/extend", "fieldgate/internal/cli", "fieldgate/internal/config", "fieldgate/internal/dbtest", "fieldgate/internal/server", "fieldgate/internal/trace", "fieldgate/internal/web", "fieldgate/models"},
	"fieldgate/policytest":                 {"fieldgate/fgerr", "fieldgate/internal/policy"},
	"fieldgate/policytest/internal/sample": {}, // only its tests use it
	"fieldgate/internal/repotest":          {"fieldgate/servertest"},
	"fieldgate/internal/npmtest":           {"fieldgate/internal/dbtest", "fieldgate/internal/repotest"},

	// What go generate runs to write docs/reference.
	"fieldgate/internal/reference": {"fieldgate/fgerr", "fieldgate/internal/auth", "fieldgate/internal/cli", "fieldgate/internal/config", "fieldgate/internal/metrics"},
}

// seam lists the packages that product code may import. None is internal.
var seam = []string{"fieldgate/extend", "fieldgate/fgerr", "fieldgate/models", "fieldgate/viewer"}

// isProductPackage reports whether a package belongs to a product. Product packages may import each
// other.
func isProductPackage(path string) bool {
	return path == "fieldgate/app" || strings.HasPrefix(path, "fieldgate/app/") || strings.HasPrefix(path, "fieldgate/examples/")
}

// mayImport reports whether a package of this module may import another one.
func mayImport(from, imported string) bool {
	if isProductPackage(from) {
		return isProductPackage(imported) || slices.Contains(seam, imported)
	}
	bindsProductTypes := from == "fieldgate/graph" || from == "fieldgate/graph/generated"
	return slices.Contains(allowedImports[from], imported) || bindsProductTypes && (isProductPackage(imported) || slices.Contains(seam, imported))
}

// libraryImporters lists, for each library, the only packages that may import it.
var libraryImporters = map[string][]string{
	"gorm.io/":                       {"fieldgate/models", "fieldgate/internal/schematest"},
	"github.com/ncruces/go-sqlite3":  {"fieldgate/models"},
	"github.com/go-sql-driver/mysql": {"fieldgate/models", "fieldgate/internal/dbtest", "fieldgate/internal/clustertest", "fieldgate/bench"},
	"github.com/pressly/goose":       {"fieldgate/models"},
	"github.com/pquerna/otp":         {"fieldgate/internal/totp"},
	"github.com/golang-jwt/jwt":      {"fieldgate/internal/auth"},
	"github.com/go-jose/go-jose":     {"fieldgate/internal/auth"},
	"golang.org/x/crypto/bcrypt":     {"fieldgate/internal/account", "fieldgate/bench"},
	"github.com/99designs/gqlgen":    {"fieldgate/playground", "fieldgate/graph", "fieldgate/graph/generated", "fieldgate/internal/guard", "fieldgate/policytest/internal/sample"},
	"github.com/lmittmann/tint":      {"fieldgate/internal/devlog"},
	"github.com/urfave/cli":          {"fieldgate/internal/cli"},
	"github.com/wneessen/go-mail":    {"fieldgate/internal/mail"},
	"github.com/emersion/":           {"fieldgate/internal/mailtest"},
	"github.com/prometheus/":         {"fieldgate/internal/metrics"},
	"go.opentelemetry.io/":           {"fieldgate/internal/trace", "fieldgate/internal/trace/export"},
	"net/http/pprof":                 {"fieldgate/internal/metrics"},
}

func TestImportsFollowTheAllowedDirections(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if _, known := allowedImports[p.ImportPath]; !known && !isProductPackage(p.ImportPath) {
			t.Errorf("%s is missing in allowedImports: add it there and in docs/architecture.md", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if isFieldgatePackage(imported) && !mayImport(p.ImportPath, imported) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
			for library, users := range libraryImporters {
				if strings.HasPrefix(imported, library) && !slices.Contains(users, p.ImportPath) && !isProductPackage(p.ImportPath) {
					t.Errorf("%s imports %s, which only %q may import", p.ImportPath, imported, users)
				}
			}
		}
	}
}

func isFieldgatePackage(path string) bool {
	return path == "fieldgate" || strings.HasPrefix(path, "fieldgate/")
}

type pkg struct {
	ImportPath string
	Imports    []string
	Doc        string
	GoFiles    []string // without tests
}

func packages(t *testing.T) (list []pkg) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Doc,GoFiles", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 { // otherwise it has only tests
			list = append(list, p)
		}
	}
}

// TestEveryPackageHasADocComment covers the packages of Fieldgate, not those of a product.
func TestEveryPackageHasADocComment(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if p.Doc == "" && !strings.HasSuffix(p.ImportPath, "/generated") && !strings.HasPrefix(p.ImportPath, "fieldgate/app/") {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// hasFeatures reports whether the repository has a product's features. A product may have more
// folders.
func hasFeatures(t *testing.T) bool {
	return slices.ContainsFunc(packages(t), func(p pkg) bool { return strings.HasPrefix(p.ImportPath, "fieldgate/app/") })
}

// TestRootContainsNoPackageButMain also limits the number of entries, so that the root stays
// readable.
func TestRootContainsNoPackageButMain(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		dbtest.SkipOrFail(t, "a clone of the repository (git ls-files: "+err.Error()+")", "run the tests in a clone")
	}
	entries := map[string]bool{}
	for name := range strings.Lines(string(out)) {
		name, _, inFolder := strings.Cut(strings.TrimSpace(name), "/")
		if strings.HasSuffix(name, ".go") && !inFolder && name != "server.go" {
			t.Errorf("%s: move it below internal/ or test/", name)
		}
		if !strings.HasPrefix(name, ".") {
			entries[name] = true
		}
	}
	if len(entries) > 30 && !hasFeatures(t) {
		t.Errorf("%d entries in the root, want at most 30", len(entries))
	}
}
