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

// Vitess with one keyspace and one shard: bash .ci/vitess builds vtcombo if it is absent, and runs this suite alone. It
// is outside of CI. FIGURES=docs/operations.md writes the measurements into that file.
func TestFailureVitessKeepsPromises(t *testing.T) {
	v := clustertest.StartVitess(t)
	f := newFleet(t, v.URL)
	f.add(1) // makes the tables
	f.add(1) // finds them
	f.servers[0].stop()
	f.servers[0].restart()
	f.wantCommandsWork("operator@example.com")

	c := newClients(t, "vitess-", f.endpoints()...)
	c.withAdmin(v.URL)
	c.wantTransactionCap(v.URL)
	c.start(visitors)
	c.while("nothing happens", func() {})
	c.while("MySQL is killed (`kill -9`), and started again", func() {
		v.MySQL.Kill()
		c.wantUnavailable(f)
		v.MySQL.Rejoin(t)
		v.WaitServing(t)
	})
	c.while("MySQL is killed, and started again at once", func() {
		v.MySQL.Kill()
		v.MySQL.Rejoin(t)
		v.WaitServing(t)
	})
	c.while("MySQL is stopped (`SIGTERM`), and started again", func() {
		v.MySQL.Stop(t)
		v.MySQL.Rejoin(t)
		v.WaitServing(t)
	})
	c.while("MySQL hangs (`SIGSTOP`) until servers give it up, and goes on", func() {
		v.MySQL.Freeze(t)
		c.wantUnavailable(f)
		v.MySQL.Thaw(t)
	})
	c.while("vtgate and the tablet are killed (`kill -9`), and started again", func() {
		v.Kill()
		v.Restart(t)
	})
	c.while("a server is killed (`kill -9`), and started again", func() {
		f.servers[0].process.Kill()
		f.servers[0].restart()
	})
	c.while("a server is replaced (`SIGTERM`, and a new one)", func() {
		f.servers[1].stop()
		f.servers[1].restart()
	})
	c.end()
	c.wantPromisesKept(v.URL)
	c.wantUnknownsExplained(f.logs())
	f.command("migrate", "status").want("")
	if t.Failed() {
		return
	}
	figures := figuresOf([]*clients{c})
	t.Log("\n" + figures)
	if name := os.Getenv("FIGURES"); name != "" {
		writeFigures(t, name, "vitess failures", figures)
	}
}

// wantUnavailable: without its database each server says so, and is not ready.
func (c *clients) wantUnavailable(f *fleet) {
	c.t.Helper()
	var asking sync.WaitGroup
	for _, s := range f.servers {
		asking.Go(func() {
			if _, code := c.try(s.endpoint, c.admin, failureMe); code != later {
				c.t.Errorf("me without a database: %q, want %s", code, later)
			}
			if status := s.get("/readyz"); status != http.StatusServiceUnavailable {
				c.t.Errorf("/readyz without a database: %d, want 503", status)
			}
		})
	}
	asking.Wait()
}

// wantTransactionCap: when the tablet allows no further transaction, clients are told that nothing was done.
func (c *clients) wantTransactionCap(databaseURL string) {
	c.t.Helper()
	_, address, _ := strings.Cut(databaseURL, "@")
	host, name, _ := strings.Cut(address, "/")
	// As the servers do: vttablet counts the transactions of such clients apart.
	db, err := sql.Open("mysql", "root@tcp("+host+")/"+name+"?clientFoundRows=true")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	for n := 1; ; n++ {
		tx, err := db.BeginTx(c.t.Context(), nil)
		if err == nil {
			defer tx.Rollback() // or the tablet keeps its place for 30 s
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
	_, code := c.try(c.servers[0], "", failureRegister, "e", "beyond-the-cap@example.com", "p", servertest.Password)
	if code != later {
		c.t.Errorf("a registration beyond the transaction cap: %q, want %s", code, later)
	}
}

// wantCommandsWork runs every command that uses the database.
func (f *fleet) wantCommandsWork(email string) {
	f.t.Helper()
	f.command("migrate").want("")
	f.command("migrate", "up").want("")
	f.command("migrate", "status").want("users")
	f.command("migrate", "--contract").want("")
	f.command("user", "create", email, "--name", "Ada", "--role", "ADMIN").reading(servertest.Password + "\n").want("")
	f.command("user", "create", "second-"+email, "--name", "Bob").reading(servertest.Password + "\n").want("")
	f.command("user", "list").want(email)
	f.command("user", "role", "second-"+email, "STAFF").want("STAFF")
	f.command("user", "disable", "second-"+email).want("")
	f.command("user", "enable", "second-"+email).want("")
	f.command("user", "reset-password", "second-"+email).want("")
	f.command("user", "delete", "second-"+email, "--yes").want("")
	f.command("user", "role", email, "USER").wantFailure("nobody else could do what this account can")
	for _, finding := range []string{"database.migrations", "database.tables", "database.connections"} {
		f.command("doctor", "--json").wantFinding(finding)
	}
}

// fleetCommand is one run of the program with the settings of the fleet.
type fleetCommand struct {
	f     *fleet
	args  []string
	stdin string
}

func (f *fleet) command(args ...string) *fleetCommand { return &fleetCommand{f: f, args: args} }

func (c *fleetCommand) reading(stdin string) *fleetCommand {
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

// want runs it, and wants the status 0 and a text in the output.
func (c *fleetCommand) want(text string) {
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

// wantFinding wants the doctor to have nothing to say against a thing.
func (c *fleetCommand) wantFinding(id string) {
	c.f.t.Helper()
	out, _ := c.run() // the exit status is about other findings too
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"id":"`+id+`"`) {
			if !strings.Contains(line, `"level":"ok"`) {
				c.f.t.Errorf("the doctor: %s", line)
			}
			return
		}
	}
	c.f.t.Errorf("the doctor says nothing about %s:\n%s", id, out)
}
