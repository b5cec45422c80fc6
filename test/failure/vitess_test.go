//go:build failure && unix

package failure

import (
	"database/sql"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"fieldgate/internal/clustertest"
	"fieldgate/servertest"
)

// TestFailureVitessKeepsPromises runs on Vitess with one keyspace and one shard. bash .ci/vitess
// builds vtcombo if it is absent, and runs this suite alone; CI does not include it.
// FIGURES=docs/operations.md writes the measurements into that file.
func TestFailureVitessKeepsPromises(t *testing.T) {
	v := clustertest.StartVitess(t)
	f := newFleet(t, v.URL)
	f.addServers(1) // creates the tables
	f.addServers(1) // uses them
	f.servers[0].stop()
	f.servers[0].restart()
	f.wantCommandsWork("operator@example.com")

	c := newClients(t, "vitess-", f.endpoints()...)
	c.registerAdmin(v.URL)
	c.wantTransactionCap(v.URL)
	c.start(userCount)
	c.during("nothing happens", func() {})
	c.during("MySQL is killed (`kill -9`), and started again", func() {
		v.MySQL.Kill()
		c.wantUnavailable(f)
		v.MySQL.Rejoin(t)
		v.WaitServing(t)
	})
	c.during("MySQL is killed, and started again at once", func() {
		v.MySQL.Kill()
		v.MySQL.Rejoin(t)
		v.WaitServing(t)
	})
	c.during("MySQL is stopped (`SIGTERM`), and started again", func() {
		v.MySQL.Stop(t)
		v.MySQL.Rejoin(t)
		v.WaitServing(t)
	})
	c.during("MySQL hangs (`SIGSTOP`) until servers give it up, and goes on", func() {
		v.MySQL.Freeze(t)
		c.wantUnavailable(f)
		v.MySQL.Thaw(t)
	})
	c.during("vtgate and the tablet are killed (`kill -9`), and started again", func() {
		v.Kill()
		v.Restart(t)
	})
	c.during("a server is killed (`kill -9`), and started again", func() {
		f.servers[0].process.Kill()
		f.servers[0].restart()
	})
	c.during("a server is replaced (`SIGTERM`, and a new one)", func() {
		f.servers[1].stop()
		f.servers[1].restart()
	})
	c.end()
	c.wantPromisesKept(v.URL)
	c.wantUnknownOutcomesExplained(f.logs())
	f.command("migrate", "status").wantOutput("")
	if t.Failed() {
		return
	}
	figures := formatFigures([]*clients{c})
	t.Log("\n" + figures)
	if name := os.Getenv("FIGURES"); name != "" {
		writeFigures(t, name, "vitess failures", figures)
	}
}

// wantUnavailable checks that each server reports the missing database and is not ready.
func (c *clients) wantUnavailable(f *fleet) {
	c.t.Helper()
	var sending sync.WaitGroup
	for _, s := range f.servers {
		sending.Go(func() {
			if _, code := c.send(s.endpoint, c.admin, meQuery); code != unavailable {
				c.t.Errorf("me without a database: %q, want %s", code, unavailable)
			}
			if status := s.status("/readyz"); status != http.StatusServiceUnavailable {
				c.t.Errorf("/readyz without a database: %d, want 503", status)
			}
		})
	}
	sending.Wait()
}

// wantTransactionCap checks that clients get UNAVAILABLE when the tablet allows no further
// transaction.
func (c *clients) wantTransactionCap(databaseURL string) {
	c.t.Helper()
	_, address, _ := strings.Cut(databaseURL, "@")
	host, name, _ := strings.Cut(address, "/")
	// clientFoundRows as in the servers: vttablet counts transactions of such clients apart.
	db, err := sql.Open("mysql", "root@tcp("+host+")/"+name+"?clientFoundRows=true")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	for n := 1; ; n++ {
		tx, err := db.BeginTx(c.t.Context(), nil)
		if err == nil {
			defer tx.Rollback() // otherwise the tablet keeps it open for 30 s
			_, err = tx.ExecContext(c.t.Context(), "SELECT 1 FROM users LIMIT 1")
		}
		if e := (*mysql.MySQLError)(nil); errors.As(err, &e) && e.Number == 1203 {
			break
		}
		if err != nil || n > clustertest.TransactionCap {
			c.t.Errorf("transaction %d of %d: %v, want error 1203 beyond the last", n, clustertest.TransactionCap, err)
			return
		}
	}
	_, code := c.send(c.endpoints[0], "", registerQuery, "e", "beyond-the-cap@example.com", "p", servertest.Password)
	if code != unavailable {
		c.t.Errorf("a registration beyond the transaction cap: %q, want %s", code, unavailable)
	}
}

// wantCommandsWork runs every command that uses the database.
func (f *fleet) wantCommandsWork(email string) {
	f.t.Helper()
	f.command("migrate").wantOutput("")
	f.command("migrate", "up").wantOutput("")
	f.command("migrate", "status").wantOutput("users")
	f.command("migrate", "--contract").wantOutput("")
	f.command("user", "create", email, "--name", "Ada", "--role", "ADMIN").withStdin(servertest.Password + "\n").wantOutput("")
	f.command("user", "create", "second-"+email, "--name", "Bob").withStdin(servertest.Password + "\n").wantOutput("")
	f.command("user", "list").wantOutput(email)
	f.command("user", "role", "second-"+email, "STAFF").wantOutput("STAFF")
	f.command("user", "disable", "second-"+email).wantOutput("")
	f.command("user", "enable", "second-"+email).wantOutput("")
	f.command("user", "reset-password", "second-"+email).wantOutput("")
	f.command("user", "delete", "second-"+email, "--yes").wantOutput("")
	f.command("user", "role", email, "USER").wantFailure("the last administrator cannot be demoted, disabled or deleted")
	for _, finding := range []string{"database.migrations", "database.tables", "database.connections"} {
		f.command("doctor", "--json").wantFindingOK(finding)
	}
}

// fleetCommand is one run of the program with the fleet's settings.
type fleetCommand struct {
	f     *fleet
	args  []string
	stdin string
}

func (f *fleet) command(args ...string) *fleetCommand { return &fleetCommand{f: f, args: args} }

func (c *fleetCommand) withStdin(stdin string) *fleetCommand {
	c.stdin = stdin
	return c
}

func (c *fleetCommand) run() (out string, err error) {
	cmd := exec.CommandContext(c.f.t.Context(), c.f.program, c.args...)
	cmd.Env = append(os.Environ(), c.f.env...)
	cmd.Stdin = strings.NewReader(c.stdin)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// wantOutput runs the command and checks for status 0 and a text in the output.
func (c *fleetCommand) wantOutput(text string) {
	c.f.t.Helper()
	if out, err := c.run(); err != nil || !strings.Contains(out, text) {
		c.f.t.Errorf("%v: %v, want %q in\n%s", c.args, err, text, out)
	}
}

func (c *fleetCommand) wantFailure(text string) {
	c.f.t.Helper()
	if out, err := c.run(); err == nil || !strings.Contains(out, text) {
		c.f.t.Errorf("%v: %v, want a failure with %q in\n%s", c.args, err, text, out)
	}
}

// wantFindingOK checks that the doctor's finding has level ok.
func (c *fleetCommand) wantFindingOK(id string) {
	c.f.t.Helper()
	out, _ := c.run() // the exit status also depends on other findings
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"id":"`+id+`"`) {
			if !strings.Contains(line, `"level":"ok"`) {
				c.f.t.Errorf("the doctor: %s", line)
			}
			return
		}
	}
	c.f.t.Errorf("the doctor has no finding %s:\n%s", id, out)
}
