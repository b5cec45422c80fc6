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
	private := tempDir(t) // 0700, as mktemp makes them
	for _, row := range []struct {
		name, dir string
		want      bool
	}{
		{"the usual directory", "/tmp", true},
		{"no path that leaves a socket too little room", "/tmp/" + strings.Repeat("x", 60), false},
		{"a private directory, unless root's", private, os.Geteuid() != 0},
		{"a directory in it, likewise", filepath.Join(private, "open"), os.Geteuid() != 0},
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
