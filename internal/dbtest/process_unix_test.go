//go:build unix

package dbtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIsUsableForServer(t *testing.T) {
	t.Parallel()
	private := tempDir(t) // 0700, like mktemp
	for _, row := range []struct {
		name, dir string
		want      bool
	}{
		{"accepts /tmp", "/tmp", true},
		{"rejects a path too long for a socket", "/tmp/" + strings.Repeat("x", 60), false},
		{"accepts a private directory unless we are root", private, os.Geteuid() != 0},
		{"accepts a directory below it unless we are root", filepath.Join(private, "open"), os.Geteuid() != 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := os.Mkdir(row.dir, 0o755); err == nil {
				t.Cleanup(func() { _ = os.Remove(row.dir) })
			}
			if got := isUsableForServer(row.dir); got != row.want {
				t.Errorf("%s: %v, want %v", row.dir, got, row.want)
			}
		})
	}
}
