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

// programs are the MariaDB programs that dbtest needs.
type programs struct {
	server  string // mariadbd
	install string // mariadb-install-db
}

// findMariaDB searches the PATH and /usr/sbin, which is often missing from it. It requires the name
// mariadbd: an Oracle mysqld has other options.
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

// LookPath searches the PATH for a program, and then further directories.
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

// mariaDB is a running server in its own directory.
type mariaDB struct {
	*Process
	addr string
	dir  string
}

// startMariaDB creates the system tables in dir and starts a server on a port from nextPort. It
// returns when the server answers, or with the reason why it does not. In that case the server is
// stopped.
func startMariaDB(ctx context.Context, dir string, nextPort func() (int, error)) (*mariaDB, error) {
	bin, err := findMariaDB()
	if err != nil {
		return nil, err
	}
	if err := InstallMariaDB(ctx, dir); err != nil {
		return nil, err
	}
	// Another process may take the port between finding and using it.
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
	return nil, errors.New("mariadbd: ten ports in a row were in use")
}

// InstallMariaDB creates the system tables of a server in dir/data, for the server user, and
// creates dir if needed. root has no password.
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
	// As in startCommand: otherwise another server's goroutine may be locked to this thread later,
	// and end it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", install, err, logTail(dir))
	}
	return nil
}

// launch starts a server and waits for its first answer. Durability is off, because the data is
// disposable.
func launch(ctx context.Context, bin, dir string, port int) (*mariaDB, error) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	// Not ctx, which covers only the start.
	cmd, closeLog, err := prepareCommand(context.Background(), dir, bin,
		"--no-defaults", // ignore the machine's my.cnf
		"--datadir="+filepath.Join(dir, "data"),
		"--tmpdir="+filepath.Join(dir, "tmp"),
		"--socket="+socket(dir),
		"--pid-file="+filepath.Join(dir, "pid"),
		"--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(port),
		"--skip-name-resolve",
		"--max-connections=2000", // many parallel tests, each with a pool
		"--character-set-server=utf8mb4",
		"--collation-server=utf8mb4_unicode_ci",
		"--default-time-zone=+00:00", // same results on every machine
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

// waitReady waits for the server's first answer. Another test process's MariaDB may have taken the
// port first and would answer, so the answer must name our socket.
func (db *mariaDB) waitReady(ctx context.Context) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = "root", "tcp", db.addr
	// Short timeouts: the port may belong to another protocol.
	cfg.Timeout, cfg.ReadTimeout = time.Second, time.Second
	cfg.Logger = &mysql.NopLogger{} // refused connections are expected
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

// prepareCommand prepares a server, or another MariaDB program: run as the server user, in its own
// process group, killed when this process dies, with its output in a file. A pipe would be held
// open by any child that outlives its parent.
func prepareCommand(ctx context.Context, dir, name string, args ...string) (cmd *exec.Cmd, closeLog func(), err error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, nil, err
	}
	closeLog = func() { _ = log.Close() }
	cmd = exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.Dir = dir // the server user may have no access to our directory
	cmd.Stdout, cmd.Stderr = log, log
	setProcessGroup(cmd)
	dieWithParent(cmd)
	if err := runAsServerUser(cmd); err != nil {
		closeLog()
		return nil, nil, err
	}
	return cmd, closeLog, nil
}

// logTail returns the end of a log, which has the reason of a failure.
func logTail(dir string) string {
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4<<10):])
}

func socket(dir string) string { return filepath.Join(dir, "s") }
