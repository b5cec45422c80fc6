//go:build exhaustive

package repo

import (
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fieldgate/internal/doctor"
	"fieldgate/internal/repotest"
	"fieldgate/servertest"
)

// imageProgram builds the program with the command of the Dockerfile from the files of its build
// context.
func imageProgram(t *testing.T) (path string) {
	t.Helper()
	command := ""
	for _, i := range dockerfile(t)[1] {
		if i.name == "RUN" && strings.Contains(i.rest, "go build") {
			command = regexp.MustCompile(`--mount=\S+`).ReplaceAllString(i.rest, "")
		}
	}
	path = filepath.Join(t.TempDir(), "fieldgate")
	command = strings.Replace(command, "-o /out/fieldgate", "-o '"+path+"'", 1)
	folder := buildContext(t)
	// The image gets the playground from an earlier stage. The program also builds without it.
	repotest.NoError(t, os.MkdirAll(filepath.Join(folder, "playground", "dist"), 0o755))
	repotest.NoError(t, os.WriteFile(filepath.Join(folder, "playground", "dist", ".keep"), nil, 0o600))
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH="+goArch(t), "VERSION=v1.2.3", "REVISION=0123abc")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return path
}

func goArch(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOARCH").Output()
	repotest.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// TestImageRunsUnprivilegedAndReadOnly runs the program as in the image: by a user without a name
// or rights, on a file system where only /data is writable. The real base image adds certificates
// and an empty /tmp, and has no shell and no libraries.
func TestImageRunsUnprivilegedAndReadOnly(t *testing.T) {
	t.Parallel()
	program := imageProgram(t)
	wantStatic(t, program)

	root := t.TempDir()
	repotest.CopyFile(t, program, filepath.Join(root, "usr/local/bin/fieldgate"))
	repotest.NoError(t, os.Chmod(filepath.Join(root, "usr/local/bin/fieldgate"), 0o755))
	repotest.NoError(t, os.MkdirAll(filepath.Join(root, "data"), 0o700))
	box := chrootContainer{t: t, root: root, env: []string{
		"ENV=production", "PUBLIC_URL=https://api.example.com", "JWT_SECRET=" + servertest.Secret, "BCRYPT_COST=10", "DATABASE_URL=sqlite:///data/fieldgate.db",
	}}
	box.restrictRights()

	if out, err := box.command("version", "--json").Output(); err != nil || !strings.HasPrefix(string(out), `{"version":"v1.2.3","revision":"0123abc",`) {
		t.Errorf("version: %v, %s", err, out)
	}
	server := box.command("serve")
	b, _ := servertest.StartCommand(t, server, "serving")
	b.Query(nil, `mutation { register(input: {name: "Ada", email: "ada@example.com", password: "`+servertest.Password+`", delivery: BODY}) { user { id } } }`).Must()

	image := dockerfile(t)[2]
	var check []string
	_, words, _ := strings.Cut(lastInstruction(image, "HEALTHCHECK"), " CMD ")
	repotest.NoError(t, json.Unmarshal([]byte(words), &check))
	var entry []string
	repotest.NoError(t, json.Unmarshal([]byte(lastInstruction(image, "ENTRYPOINT")), &entry))
	if len(check) != 3 || !slices.Equal(check[:1], entry) || entry[0] != box.program() {
		t.Fatalf("HEALTHCHECK %q, ENTRYPOINT %q", check, entry)
	}
	for _, row := range []struct {
		name   string
		env    string
		args   []string
		status int
		output string
	}{
		{"the health check succeeds", "ADDR=" + strings.TrimPrefix(b.URL, "http://"), check[1:], 0, ""},
		{"the server is ready", "ADDR=" + strings.TrimPrefix(b.URL, "http://"), []string{"healthcheck"}, 0, ""},
		{"no server at another address", "ADDR=127.0.0.1:1", check[1:], 1, "refused"},
		{"the doctor finds no problem", "", []string{"doctor", "--deep"}, 0, "database.file"},
		{"the doctor finds an unwritable folder", "DATABASE_URL=sqlite:///usr/fieldgate.db", []string{"doctor"}, 1, "permission denied"},
		{"a backup beside the database", "", []string{"backup", "/data/copy.db"}, 0, "copied the database to /data/copy.db"},
		{"no backup elsewhere", "", []string{"backup", "/copy.db"}, 1, "permission denied"},
	} {
		cmd := box.command(row.args...)
		if row.env != "" {
			cmd.Env = append(cmd.Env, row.env)
		}
		out, _ := cmd.CombinedOutput()
		if status := cmd.ProcessState.ExitCode(); status != row.status || !strings.Contains(string(out), row.output) {
			t.Errorf("%s: status %d, %s", row.name, status, out)
		}
		if strings.Contains(string(out), string(doctor.Problem)+"  ") && row.status == 0 {
			t.Errorf("%s: %s", row.name, out)
		}
	}
	repotest.NoError(t, server.Process.Signal(syscall.SIGTERM)) // STOPSIGNAL
	if err := server.Wait(); err != nil {
		t.Errorf("the server exits with %v", err)
	}
}

func wantStatic(t *testing.T, program string) {
	t.Helper()
	f, err := elf.Open(program)
	repotest.NoError(t, err)
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a dynamic linker")
		}
	}
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the program needs the libraries %q, %v", libraries, err)
	}
	if f.Section(".symtab") != nil {
		t.Error("the program has debug symbols")
	}
}

// chrootContainer emulates a container: a folder as root of the file system, and the user of the
// image. It requires root.
type chrootContainer struct {
	t    *testing.T
	root string
	env  []string
}

const imageUser = 65532

func (c chrootContainer) isRoot() bool { return os.Geteuid() == 0 }

// restrictRights gives /data to the image's user and makes everything else read-only. Without root
// it skips the rest of the test.
func (c chrootContainer) restrictRights() {
	if c.isRoot() {
		repotest.NoError(c.t, os.Chown(filepath.Join(c.root, "data"), imageUser, imageUser))
		repotest.NoError(c.t, os.Chmod(c.root, 0o555))
		return
	}
	c.t.Skip("chroot requires root; the build was checked")
}

func (c chrootContainer) program() string { return "/usr/local/bin/fieldgate" }

func (c chrootContainer) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.t.Context(), c.program(), args...)
	cmd.Dir, cmd.Env = "/data", slices.Clone(c.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: c.root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
	return cmd
}

// buildContext copies the files that "docker build ." would send.
func buildContext(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	excluded := dockerignored(t)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !d.Type().IsRegular() || excluded(filepath.ToSlash(path)):
			return nil
		}
		repotest.CopyFile(t, path, filepath.Join(folder, path))
		return nil
	})
	repotest.NoError(t, err)
	return folder
}
