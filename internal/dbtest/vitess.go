package dbtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// vitessVersion is the one that .ci/vitess builds.
const vitessVersion = "v0.24.4"

// Vtcombo returns the path of vtcombo, which is all of Vitess in one process: the program that
// VTCOMBO names, one on the PATH, or the one that .ci/vitess has built. It refuses to run as
// root, so start it with StartProcess, or use clustertest.StartVitess.
//
// Without one, the test is skipped, also with REQUIRE_ALL=1: to build it takes minutes, so it is
// outside of CI, which says so in its last lines.
func Vtcombo(tb testing.TB) string {
	tb.Helper()
	if path := os.Getenv("VTCOMBO"); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			tb.Fatal("dbtest: VTCOMBO: ", err)
		}
		return path
	}
	if path, err := LookPath("vtcombo"); err == nil {
		return path
	}
	path, err := exec.LookPath(filepath.Join(filepath.Dir(unpackedMySQL()), "vtcombo-"+vitessVersion))
	if err != nil {
		const what, how = "Vitess", "bash .ci/vitess builds it and runs its suite"
		leftOut.add(what, how)
		tb.Skipf("left out, there is no %s: %s", what, how)
	}
	return path
}
