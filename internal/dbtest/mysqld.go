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

// RealMySQL returns the path of a server of real MySQL, which is not MariaDB: the program that MYSQLD names, a mysqld on
// the PATH, or the one that .ci/get-mysql has unpacked. Pass its options after --no-defaults. It refuses to run as root,
// so start it with StartProcess, or use clustertest.MySQL and clustertest.StartGroup.
//
// Without one, the test is skipped, also with REQUIRE_ALL=1: no stable release of Debian has real MySQL, so CI prints as
// its last line that it could not be had. Nothing else is left out like that.
func RealMySQL(tb testing.TB) string {
	tb.Helper()
	path, err := findMySQL()
	switch {
	case errors.Is(err, errNotInstalled):
		const what, how = "real MySQL", "bash .ci/get-mysql, or set MYSQLD to the path of its mysqld"
		skipped.add(what, how)
		tb.Skipf("left out, there is no %s: %s", what, how)
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

// unpackedMySQL is the folder that .ci/get-mysql unpacks into.
func unpackedMySQL() string {
	if os.Geteuid() == 0 {
		return "/var/cache/fieldgate/mysql" // where the user nobody can run it
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "fieldgate", "mysql")
}

// checkIsMySQL tells real MySQL from MariaDB, whose server answers to the name mysqld as well.
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
