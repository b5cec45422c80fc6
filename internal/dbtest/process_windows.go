package dbtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

func shortTempDir() (string, error) { return os.MkdirTemp("", "dbtest") }

// installOptions: the Windows program shares its name with the Unix script and
// little else; root has no password unless it is given one.
func installOptions(dir string) []string {
	return []string{"--datadir=" + filepath.Join(dir, "data"), "--silent"}
}

// ChownToServerUser does nothing: servers run as ourselves.
func ChownToServerUser(...string) error { return nil }

func runAsServerUser(*exec.Cmd) error { return nil }

func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
