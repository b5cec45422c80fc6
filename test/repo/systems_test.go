//go:build exhaustive

package repo

import (
	"os"
	"testing"

	gopackages "golang.org/x/tools/go/packages"

	"fieldgate/internal/dbtest"
)

// TestCodeTypeChecksOnOtherSystems type-checks all packages and tests for systems that the tests do
// not run on. It does not compile them: SQLite takes minutes for each system and would show nothing
// more.
func TestCodeTypeChecksOnOtherSystems(t *testing.T) {
	if dbtest.RaceDetector() {
		t.Skip("nothing runs concurrently here: .ci/run runs it without the race detector")
	}
	t.Parallel()
	for _, system := range []struct{ os, arch string }{{"windows", "amd64"}, {"darwin", "arm64"}} {
		t.Run(system.os, func(t *testing.T) {
			t.Parallel()
			list, err := gopackages.Load(&gopackages.Config{
				Mode: gopackages.LoadAllSyntax, Tests: true, Context: t.Context(),
				Env:        append(os.Environ(), "GOOS="+system.os, "GOARCH="+system.arch, "CGO_ENABLED=0"),
				BuildFlags: []string{"-tags=exhaustive"},
			}, "./...")
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			gopackages.Visit(list, nil, func(p *gopackages.Package) {
				seen++
				for _, e := range p.Errors {
					t.Error(e)
				}
			})
			if seen < 100 {
				t.Errorf("%d packages, want at least 100", seen)
			}
		})
	}
}
