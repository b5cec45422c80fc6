package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

var (
	errNotInstalled = errors.New("not installed")
	errPortTaken    = errors.New("port taken")
)

// programs are the two of MariaDB's that are needed.
type programs struct {
	server  string // mariadbd
	install string // mariadb-install-db
}

// findMariaDB looks on the PATH and in /usr/sbin, which is often not on it. It
// wants mariadbd by that name: an Oracle mysqld takes other options.
func findMariaDB() (programs, error) {
	var p programs
	var err error
	if p.server, err = LookPath("mariadbd", "/usr/sbin"); err != nil {
		return p, fmt.Errorf("mariadbd is %w", errNotInstalled)
	}
	if p.install, err = LookPath("mariadb-install-db", "/usr/bin", filepath.Dir(p.server)); err != nil {
		return p, fmt.Errorf("mariadb-install-db is %w", errNotInstalled)
	}
	return p, nil
}

// LookPath looks for a program on the PATH, and then in more directories.
func LookPath(name string, more ...string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range more {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	return path, err
}

// mariaDB is a running server in a directory of its own.
type mariaDB struct {
	*Process
	addr string
	dir  string
}

// startMariaDB makes the system tables in dir and starts a server on a port
// that nextPort gives. It returns when the server answers, or with the reason
// why it does not; then nothing of it runs any more.
func startMariaDB(ctx context.Context, dir string, nextPort func() (int, error)) (*mariaDB, error) {
	bin, err := findMariaDB()
	if err != nil {
		return nil, err
	}
	if err := InstallMariaDB(ctx, dir); err != nil {
		return nil, err
	}
	// Between finding a free port and using it another process can be faster.
	for range 10 {
		port, err := nextPort()
		if err != nil {
			return nil, err
		}
		db, err := launch(ctx, bin.server, dir, port)
		if !errors.Is(err, errPortTaken) {
			return db, err
		}
	}
	return nil, errors.New("mariadbd: ten ports in a row were taken")
}

// InstallMariaDB makes the system tables of a server in dir/data, for the user that servers run as; dir is made if it
// is not there. root has no password.
func InstallMariaDB(ctx context.Context, dir string) error {
	bin, err := findMariaDB()
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	if err := ChownToServerUser(dir, tmp); err != nil {
		return err
	}
	return installTables(ctx, bin.install, dir)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func installTables(ctx context.Context, install, dir string) error {
	cmd, closeLog, err := prepareCommand(ctx, dir, install, installOptions(dir)...)
	if err != nil {
		return err
	}
	defer closeLog()
	// As in run: else another server's goroutine may come to be locked to this thread, and end it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", install, err, logTail(dir))
	}
	return nil
}

// launch starts a server and waits for its first answer. The data is worth
// nothing, so nothing is spent on keeping it.
func launch(ctx context.Context, bin, dir string, port int) (*mariaDB, error) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	cmd, closeLog, err := prepareCommand(context.Background(), dir, bin, // it outlives ctx, which is for its start
		"--no-defaults", // a my.cnf of the machine is for its own server
		"--datadir="+filepath.Join(dir, "data"),
		"--tmpdir="+filepath.Join(dir, "tmp"),
		"--socket="+socket(dir),
		"--pid-file="+filepath.Join(dir, "pid"),
		"--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(port),
		"--skip-name-resolve",
		"--max-connections=2000", // many tests at once, each with a pool
		"--character-set-server=utf8mb4",
		"--collation-server=utf8mb4_unicode_ci",
		"--default-time-zone=+00:00", // the same answers on a laptop as in CI
		"--performance-schema=OFF",
		"--skip-log-bin",
		"--innodb-log-file-size=8M",
		"--innodb-buffer-pool-size=64M",
		"--innodb-flush-log-at-trx-commit=2",
		"--innodb-doublewrite=0",
	)
	if err != nil {
		return nil, err
	}
	defer closeLog()
	process, err := startCommand(cmd, dir)
	if err != nil {
		return nil, err
	}
	db := &mariaDB{Process: process, addr: addr, dir: dir}
	if err := db.waitReady(ctx); err != nil {
		db.Kill()
		return nil, err
	}
	return db, nil
}

// waitReady waits for the server's first answer. An answer alone proves little: the
// MariaDB of another test process may have got the port first, and would answer
// until that process ends. So the one that answers has to know our socket.
func (db *mariaDB) waitReady(ctx context.Context) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "tcp", db.addr
	cfg.Timeout, cfg.ReadTimeout = time.Second, time.Second // what listens there may not even speak
	cfg.Logger = &mysql.NopLogger{}                         // refused connections are what we expect
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	pool := sql.OpenDB(connector)
	defer func() { _ = pool.Close() }()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var answers string
		err := pool.QueryRowContext(ctx, "SELECT @@socket").Scan(&answers)
		if err == nil && answers == socket(db.dir) {
			return nil
		}
		select {
		case <-tick.C:
		case <-db.exited:
			if log := db.LogTail(); !strings.Contains(log, "Bind on TCP/IP port") {
				return fmt.Errorf("mariadbd did not start: %v\n%s", db.waitErr, log)
			}
			return errPortTaken
		case <-ctx.Done():
			return fmt.Errorf("mariadbd does not answer: %w (%v)\n%s", ctx.Err(), err, db.LogTail())
		}
	}
}

// prepareCommand prepares a server, or a program of MariaDB's: as a user that may run it, in a
// process group of its own, dying with us, and with its output in a file. A
// file, since a pipe would be held open by any child that outlives its parent.
func prepareCommand(ctx context.Context, dir, name string, args ...string) (cmd *exec.Cmd, closeLog func(), err error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, nil, err
	}
	closeLog = func() { _ = log.Close() }
	cmd = exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.Dir = dir // the other user may not be allowed into ours
	cmd.Stdout, cmd.Stderr = log, log
	setProcessGroup(cmd)
	dieWithParent(cmd)
	if err := runAsServerUser(cmd); err != nil {
		closeLog()
		return nil, nil, err
	}
	return cmd, closeLog, nil
}

// logTail is the end of what MariaDB wrote, where the reason stands.
func logTail(dir string) string {
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4<<10):])
}

func socket(dir string) string { return filepath.Join(dir, "s") }
