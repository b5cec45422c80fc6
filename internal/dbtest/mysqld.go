package dbtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// RealMySQL returns the path of Oracle's MySQL server, not MariaDB: the program in MYSQLD, a mysqld
// on the PATH, or the one that .ci/get-mysql unpacked. Pass its options after --no-defaults. It
// refuses to run as root, so start it with StartProcess, clustertest.MySQL or
// clustertest.StartGroup.
//
// If it is missing, the test is skipped even with REQUIRE_ALL=1: no stable Debian release has it.
// CI reports that on its last line.
func RealMySQL(tb testing.TB) string {
	tb.Helper()
	path, err := findMySQL()
	switch {
	case errors.Is(err, errNotInstalled):
		const what, how = "real MySQL", "bash .ci/get-mysql, or set MYSQLD to the path of its mysqld"
		skipped.add(what, how)
		tb.Skipf("skipped, %s is missing: %s", what, how)
	case err != nil:
		tb.Fatal("dbtest: ", err)
	}
	return path
}

func findMySQL() (string, error) {
	if path := os.Getenv("MYSQLD"); path != "" {
		if err := checkIsMySQL(path); err != nil {
			return "", fmt.Errorf("MYSQLD: %w", err)
		}
		return path, nil
	}
	if path, err := LookPath("mysqld", "/usr/sbin"); err == nil && checkIsMySQL(path) == nil {
		return path, nil
	}
	if path, err := exec.LookPath(filepath.Join(unpackedMySQL(), "mysqld")); err == nil {
		return path, checkIsMySQL(path)
	}
	return "", fmt.Errorf("real MySQL is %w", errNotInstalled)
}

// unpackedMySQL returns the directory that .ci/get-mysql unpacks into.
func unpackedMySQL() string {
	if os.Geteuid() == 0 {
		return "/var/cache/fieldgate/mysql" // readable for the user nobody
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "fieldgate", "mysql")
}

// checkIsMySQL rejects MariaDB, whose server is also called mysqld.
func checkIsMySQL(path string) error {
	version, err := exec.Command(path, "--version").Output()
	if err != nil {
		return fmt.Errorf("%s --version: %w", path, err)
	}
	if strings.Contains(string(version), "MariaDB") {
		return fmt.Errorf("%s is MariaDB", path)
	}
	return nil
}
