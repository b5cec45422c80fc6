package auth

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// secretFileEnv makes a copy of the test binary print a secret, to stand in for a second server.
const secretFileEnv = "AUTH_TEST_SECRET_FILE"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(secretFileEnv)
	if !ok {
		os.Exit(m.Run())
	}
	secret, err := SecretFile(path)
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(secret)
}

func TestSecretFileIsCreatedOnceWithMode0600(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fieldgate.db.key")
	made, err := SecretFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != 64 {
		t.Errorf("got %q, want 384 bits", made)
	}
	if again, err := SecretFile(path); again != made || err != nil {
		t.Errorf("got %q, %v the second time, want %q", again, err, made)
	}
	if other, err := SecretFile(path + "2"); other == made || err != nil {
		t.Errorf("got the same secret in another file: %q, %v", other, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("got mode %o, want 600", mode)
	}
	requireOnlyFiles(t, path, path+"2")
}

func requireOnlyFiles(t *testing.T, paths ...string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(paths[0]))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(paths) {
		t.Errorf("got the files %v, want %v", files, paths)
	}
}

func TestConcurrentSecretFileCreationYieldsOneSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		many   int
		secret func(path string) (string, error)
	}{
		{"goroutines", 20, SecretFile},
		{"processes", 4, func(path string) (string, error) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), secretFileEnv+"="+path)
			out, err := cmd.Output()
			return string(out), err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			secrets, errs := make([]string, tt.many), make([]error, tt.many)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range tt.many {
				wg.Go(func() {
					<-start
					secrets[i], errs[i] = tt.secret(path)
				})
			}
			close(start)
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for _, s := range secrets {
				if s != secrets[0] || len(s) != 64 {
					t.Fatalf("got %q, want %q", s, secrets[0])
				}
			}
			requireOnlyFiles(t, path)
		})
	}
}

func TestSecretFileRejectsDamagedContent(t *testing.T) {
	t.Parallel()
	good := NewSecret()
	for _, tt := range []struct {
		name, content string
		ok            bool
	}{
		{"as NewSecret makes it", good + "\n", true},
		{"without a newline", good, true},
		{"saved by an editor on Windows", good + "\r\n", true},
		{"empty", "", false},
		{"a newline", "\n", false},
		{"truncated", good[:40], false},
		{"one byte too short", good[:63] + "\n", false},
		{"two keys", good + "\n" + good + "\n", false},
		{"one byte too long", good + "A", false},
		{"split by a line break", good[:32] + "\n" + good[32:], false},
		{"zeros after a power cut", strings.Repeat("\x00", 65), false},
		{"something else", strings.Repeat("not a key ", 10), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "fieldgate.db.key")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			secret, err := SecretFile(path)
			switch {
			case tt.ok && (err != nil || secret != good):
				t.Errorf("got %q, %v, want %q", secret, err, good)
			case !tt.ok && (err == nil || secret != "" || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "delete the file")):
				t.Errorf("got %q, %v, want an error that names %s and the next step", secret, err, path)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != tt.content {
				t.Errorf("the file was changed to %q, %v", after, err)
			}
			requireOnlyFiles(t, path)
		})
	}
}

func TestSecretFileErrorNamesPath(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		path func(t *testing.T, folder string) string
	}{
		{"a missing folder", func(_ *testing.T, folder string) string {
			return filepath.Join(folder, "none", "key")
		}},
		{"a folder instead of a file", func(_ *testing.T, folder string) string {
			return folder
		}},
		{"a dangling link", func(t *testing.T, folder string) string {
			link := filepath.Join(folder, "key")
			if err := os.Symlink(filepath.Join(folder, "none"), link); err != nil {
				t.Skip(err) // Windows requires a privilege
			}
			return link
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.path(t, t.TempDir())
			var file *fs.PathError
			if secret, err := SecretFile(path); secret != "" || !errors.As(err, &file) || !strings.HasPrefix(file.Path, path) {
				t.Errorf("got %q, %v, want an error that names %s", secret, err, path)
			}
		})
	}
}
