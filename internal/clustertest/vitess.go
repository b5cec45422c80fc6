package clustertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"fieldgate/internal/dbtest"
)

// Vitess is a keyspace with one shard: vtgate and a tablet in one process (vtcombo), in front of a
// real MySQL.
type Vitess struct {
	// MySQL is the server behind the tablet. It may be killed and restarted.
	MySQL *Node
	// URL is the DATABASE_URL through vtgate.
	URL string

	dir, vtcombo string
	port         int // the first of three
	process      *dbtest.Process
}

// TransactionCap is how many transactions the tablet allows at once.
const TransactionCap = 100

// StartVitess starts both. Without vtcombo or real MySQL the test is skipped, see dbtest.Vtcombo
// and dbtest.RealMySQL.
func StartVitess(tb testing.TB) *Vitess {
	tb.Helper()
	v := &Vitess{vtcombo: dbtest.Vtcombo(tb), dir: filepath.Join(dbtest.Directory(tb), "vitess"), port: FreePorts(tb, 3)}
	v.MySQL = MySQL(tb, 1, "--max-connections=400")[0]
	statements := []string{"CREATE DATABASE vt_" + database + "_0 DEFAULT CHARACTER SET utf8mb4"}
	for _, user := range []string{"dba", "app", "appdebug", "allprivs", "repl", "filtered", "monitoring"} {
		statements = append(statements, "CREATE USER vt_"+user+"@localhost", "GRANT ALL ON *.* TO vt_"+user+"@localhost WITH GRANT OPTION")
	}
	v.MySQL.exec(tb, statements...)

	keyspace, tablet := filepath.Join(v.dir, "schema", database), filepath.Join(v.dir, "root", "vt_0000000100")
	requireNoError(tb, os.MkdirAll(keyspace, 0o755))
	requireNoError(tb, os.MkdirAll(tablet, 0o755))
	requireNoError(tb, os.WriteFile(filepath.Join(keyspace, "vschema.json"), []byte(`{"sharded": false}`), 0o644))
	requireNoError(tb, dbtest.ChownToServerUser(v.dir, filepath.Dir(tablet), tablet))
	v.URL = databaseURL(v.port)
	tb.Cleanup(func() {
		if v.process != nil {
			v.process.Kill()
		}
	})
	v.start(tb)
	return v
}

// Kill kills vtgate and the tablet with SIGKILL.
func (v *Vitess) Kill() { v.process.Kill() }

// Restart starts them again and leaves MySQL running. Their topology is in memory and the same each
// time.
func (v *Vitess) Restart(tb testing.TB) {
	tb.Helper()
	v.start(tb)
}

// WaitServing waits until vtgate sends writes to MySQL.
func (v *Vitess) WaitServing(tb testing.TB) {
	tb.Helper()
	eventually(tb, "Vitess does not serve", v.process, func(ctx context.Context) error {
		return query(ctx, v.port, "SELECT 1 FROM "+database+".dual", new(int))
	})
}

func (v *Vitess) start(tb testing.TB) {
	tb.Helper()
	var err error
	v.process, err = dbtest.StartProcess(v.dir, []string{"VTDATAROOT=" + filepath.Join(v.dir, "root"), "HOME=" + v.dir, "TMPDIR=" + v.dir},
		v.vtcombo, v.options()...)
	requireNoError(tb, err)
	v.WaitServing(tb)
}

func (v *Vitess) options() []string {
	mysql := filepath.Join(v.MySQL.dir, "s")
	return []string{
		"--proto-topo", fmt.Sprintf(`keyspaces:{name:%q shards:{name:"0"}} cells:"test"`, database),
		"--schema-dir", filepath.Join(v.dir, "schema"),
		"--db-socket", mysql, "--mycnf-socket-file", mysql, "--mycnf-server-id", "1",
		"--db-charset", "utf8mb4", "--dbddl-plugin", "vttest",
		"--mysql-server-port", strconv.Itoa(v.port), "--mysql-server-bind-address", "127.0.0.1", "--mysql-auth-server-impl", "none",
		"--port", strconv.Itoa(v.port + 1), "--bind-address", "127.0.0.1",
		"--grpc-port", strconv.Itoa(v.port + 2), "--grpc-bind-address", "127.0.0.1", "--tablet-hostname", "127.0.0.1",
		"--service-map", "grpc-vtgateservice,grpc-vtctl,grpc-vtctld",
		"--queryserver-config-transaction-cap", strconv.Itoa(TransactionCap),
		"--queryserver-config-pool-size", strconv.Itoa(TransactionCap),
		"--log-level", "warn",
	}
}
