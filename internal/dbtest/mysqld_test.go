package dbtest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestRealMySQLIsNotMariaDB(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the programs of this test are shell scripts")
	}
	program := func(version string) string {
		path := filepath.Join(t.TempDir(), "mysqld")
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+version+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mysql := program("/usr/sbin/mysqld  Ver 9.7.4 for Linux on x86_64")
	mariadb := program("mysqld  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64")

	t.Setenv("MYSQLD", mysql)
	if path, err := findMySQL(); path != mysql || err != nil {
		t.Errorf("MYSQLD=mysql: %q, %v", path, err)
	}
	t.Setenv("MYSQLD", mariadb)
	if _, err := findMySQL(); err == nil || !strings.Contains(err.Error(), "is MariaDB") {
		t.Errorf("MYSQLD=mariadb: %v, want an error that says so", err)
	}
	t.Setenv("MYSQLD", "")
	t.Setenv("PATH", filepath.Dir(mysql))
	if path, err := findMySQL(); path != mysql || err != nil {
		t.Errorf("mysql on the PATH: %q, %v", path, err)
	}
	t.Setenv("PATH", filepath.Dir(mariadb))
	if path, _ := findMySQL(); path == mariadb {
		t.Errorf("MariaDB on the PATH was accepted as MySQL")
	}
}
