//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/repotest"
	"fieldgate/servertest"
)

const nobodyUID = 65534

// unprivilegedServer runs the program in a folder as a user that file permissions apply to. They do
// not apply to root.
type unprivilegedServer struct {
	t           *testing.T
	exe, folder string
}

func newUnprivilegedServer(t *testing.T) *unprivilegedServer {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u := &unprivilegedServer{t: t, folder: t.TempDir(), exe: filepath.Join(t.TempDir(), "fieldgate.test")}
	if os.Link(exe, u.exe) != nil { // fails across file systems
		repotest.CopyFile(t, exe, u.exe)
	}
	for _, path := range []string{u.exe, filepath.Dir(u.exe), u.folder, filepath.Dir(u.folder)} {
		u.chmod(path, 0o755)
	}
	t.Cleanup(func() { u.chmod(u.folder, 0o755) }) // allows the deletion
	return u
}

func (u *unprivilegedServer) chmod(path string, mode os.FileMode) {
	u.t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		u.t.Fatal(err)
	}
}

// run runs a command in the folder and returns its standard error.
func (u *unprivilegedServer) run(env []string, args ...string) (stderr string) {
	u.t.Helper()
	cmd := exec.CommandContext(u.t.Context(), u.exe, args...)
	cmd.Dir = u.folder
	cmd.Env = append(append(os.Environ(), servertest.AsProgram+"=1", "BCRYPT_COST=10", "ADDR=127.0.0.1:0"), env...)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyUID, Gid: nobodyUID}}
	}
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Run(); err == nil {
		u.t.Errorf("%q succeeds, want an error", args)
	}
	return out.String()
}

func TestReadOnlyFolderIsNamedAsTheCause(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		make []string // writable files
		env  []string
		args []string
	}{
		{"an empty folder and no key", nil, nil, []string{"serve"}},
		{"an empty folder and a key", nil, []string{"JWT_SECRET=" + servertest.Secret}, []string{"serve"}},
		{"a database and its key", []string{"fieldgate.db", "fieldgate.db.key"}, nil, []string{"serve"}},
		{"a list of accounts", []string{"fieldgate.db"}, nil, []string{"user", "list"}},
		{"a migration", nil, nil, []string{"migrate"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			u := newUnprivilegedServer(t)
			for _, name := range row.make {
				content := ""
				if strings.HasSuffix(name, ".key") {
					content = strings.Repeat("A", 64) + "\n"
				}
				if err := os.WriteFile(filepath.Join(u.folder, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				u.chmod(filepath.Join(u.folder, name), 0o666)
			}
			u.chmod(u.folder, 0o555)
			stderr := u.run(row.env, row.args...)
			for _, want := range []string{"DATABASE_URL", "the directory " + u.folder + " (dr-xr-xr-x) cannot be written by user id ", "permission denied", "Hint: "} {
				if !strings.Contains(stderr, want) {
					t.Errorf("the error has no %q: %s", want, stderr)
				}
			}
		})
	}
}

func TestFileThatCannotBeWrittenIsNamedAsTheCause(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]os.FileMode{"fieldgate.db": 0o444, "fieldgate.db.key": 0o000} {
		u := newUnprivilegedServer(t)
		path := filepath.Join(u.folder, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		u.chmod(path, mode)
		u.chmod(u.folder, 0o777)
		if stderr := u.run(nil, "serve"); !strings.Contains(stderr, name) || !strings.Contains(stderr, "user id ") || strings.Contains(stderr, "the directory") {
			t.Errorf("%s: %s", name, stderr)
		}
	}
}

func TestDoctorNamesAReadOnlyFolder(t *testing.T) {
	t.Parallel()
	u := newUnprivilegedServer(t)
	u.chmod(u.folder, 0o555)
	cmd := exec.CommandContext(t.Context(), u.exe, "doctor")
	cmd.Dir, cmd.Env = u.folder, append(os.Environ(), servertest.AsProgram+"=1", "BCRYPT_COST=10")
	user := strconv.Itoa(os.Getuid())
	if os.Geteuid() == 0 {
		user = strconv.Itoa(nobodyUID)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyUID, Gid: nobodyUID}}
	}
	if out, _ := cmd.Output(); !strings.Contains(string(out), "the directory "+u.folder+" (dr-xr-xr-x) cannot be written by user id "+user) {
		t.Errorf("got %s, want a finding that names the read-only folder", out)
	}
}

// TestFolderCheckLeavesNoFiles checks that the check of whether the folder is writable deletes its
// file.
func TestFolderCheckLeavesNoFiles(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	files, err := os.ReadDir(filepath.Dir(strings.TrimPrefix(b.internal.Config.DatabaseURL, "sqlite://")))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Name(), "fieldgate.db") {
			t.Errorf("the folder contains %s", f.Name())
		}
	}
}
