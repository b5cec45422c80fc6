//go:build unix

package dbtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// shortTempDir creates a directory for a server, in /tmp if TMPDIR is not usable.
func shortTempDir() (string, error) {
	base := os.TempDir()
	if !isUsableForServer(base) {
		base = "/tmp"
	}
	return os.MkdirTemp(base, "dbtest")
}

// isUsableForServer reports whether a server can run below dir. The path of a Unix socket has at
// most 103 bytes (107 on Linux). If we are root, the server user also needs access, which a private
// TMPDIR of root denies.
func isUsableForServer(dir string) bool {
	if len(dir) > 60 {
		return false
	}
	if os.Geteuid() != 0 {
		return true
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

func installOptions(dir string) []string {
	return []string{
		"--no-defaults",
		"--datadir=" + filepath.Join(dir, "data"),
		"--tmpdir=" + filepath.Join(dir, "tmp"), // concurrent installs must not share one
		"--auth-root-authentication-method=normal",
		"--skip-test-db",
		"--innodb-log-file-size=8M",
	}
}

// serverUser returns the user that MariaDB runs as if we are root, because it refuses root. It
// returns nil if we are not root.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("mariadbd refuses to run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user nobody: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user nobody: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// ChownToServerUser gives directories to the server user, if that is another user.
func ChownToServerUser(dirs ...string) error {
	u, err := serverUser()
	if u == nil || err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.Chown(dir, int(u.Uid), int(u.Gid)); err != nil {
			return err
		}
	}
	return nil
}

func runAsServerUser(cmd *exec.Cmd) error {
	u, err := serverUser()
	if err != nil {
		return err
	}
	attributes(cmd).Credential = u
	return nil
}

func setProcessGroup(cmd *exec.Cmd) { attributes(cmd).Setpgid = true }

// killGroup kills a command and its children: mariadb-install-db is a shell script that starts a
// mariadbd.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	return cmd.SysProcAttr
}
