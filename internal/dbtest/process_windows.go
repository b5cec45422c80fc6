package dbtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

func shortTempDir() (string, error) { return os.MkdirTemp("", "dbtest") }

// installOptions are those of the Windows program, which shares little with the Unix script. root
// has no password by default.
func installOptions(dir string) []string {
	return []string{"--datadir=" + filepath.Join(dir, "data"), "--silent"}
}

// ChownToServerUser does nothing: servers run as the current user.
func ChownToServerUser(...string) error { return nil }

func runAsServerUser(*exec.Cmd) error { return nil }

func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
