package dbtest

import (
	"os"
	"os/exec"
	"testing"
)

// Vtcombo returns the path of vtcombo, which is all of Vitess in one process: the program that VTCOMBO
// names. It refuses to run as root, so start it with StartProcess, or use clustertest.StartVitess.
//
// Without the variable the test is skipped, also with REQUIRE_ALL=1: to build vtcombo takes minutes, so
// its suite is outside of CI. .ci/vitess builds it and sets the variable.
func Vtcombo(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv("VTCOMBO")
	if path == "" {
		const what, how = "Vitess", "bash .ci/vitess builds it and runs its suite"
		skipped.add(what, how)
		tb.Skipf("left out, there is no %s: %s", what, how)
	}
	if _, err := exec.LookPath(path); err != nil {
		tb.Fatal("dbtest: VTCOMBO: ", err)
	}
	return path
}
