package dbtest

import (
	"os"
	"os/exec"
	"testing"
)

// Vtcombo returns the path of vtcombo, a single-process Vitess: the program in VTCOMBO. It refuses
// to run as root, so start it with StartProcess or clustertest.StartVitess.
//
// Without the variable the test is skipped even with REQUIRE_ALL=1: building vtcombo takes minutes,
// so its suite is not part of CI. .ci/vitess builds it and sets the variable.
func Vtcombo(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv("VTCOMBO")
	if path == "" {
		const what, how = "Vitess", "bash .ci/vitess builds it and runs its suite"
		skipped.add(what, how)
		tb.Skipf("skipped, %s is missing: %s", what, how)
	}
	if _, err := exec.LookPath(path); err != nil {
		tb.Fatal("dbtest: VTCOMBO: ", err)
	}
	return path
}
