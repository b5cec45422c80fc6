package doctor

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fieldgate/models"
)

func database(r *report, f Snapshot) {
	const id = "database"
	d := f.Database
	if e, ok := errors.AsType[*models.NotWritableError](d.Err); ok {
		r.add(id, Problem, "DATABASE_URL: "+e.Cause(), e.Hint())
		return
	}
	switch {
	case d.Err != nil:
		r.add(
			id, Problem,
			"DATABASE_URL: "+d.Err.Error(),
			"check that the address is right, that the database runs, and that this machine and user may connect",
		)
		return
	case d.IsNew:
		r.add(
			id, Note,
			"the database file does not exist yet",
			"start the server, or run fieldgate migrate, to create it",
		)
		return
	case d.Inspection == nil:
		return
	}
	e := d.Inspection
	r.ok(id, "%s %s answers in %s", e.Product, e.Version, shortDuration(e.RoundTrip))
	version(r, e)
	roundTrip(r, e)
	clock(r, e)
	migrations(r, e)
	schemaIssues(r, e)
	switch {
	case e.File != nil:
		sqliteFile(r, f, e)
	default:
		encryption(r, f)
		connections(r, e)
		cluster(r, e.Cluster)
		group(r, e.Group)
	}
}

// oldestVersions are the oldest versions that are maintained and tested.
var oldestVersions = map[string][2]int{"MySQL": {8, 0}, "MariaDB": {10, 6}}

func version(r *report, e *models.Inspection) {
	least, known := oldestVersions[e.Product]
	majorText, rest, _ := strings.Cut(e.Version, ".")
	minorText, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(majorText)
	minor, _ := strconv.Atoi(minorText)
	if known && err == nil && (major < least[0] || major == least[0] && minor < least[1]) {
		r.add("database.version", Warning,
			fmt.Sprintf("%s %s no longer gets security fixes and is not tested", e.Product, e.Version),
			fmt.Sprintf("upgrade to %s %d.%d or newer", e.Product, least[0], least[1]))
	}
}

const (
	// Thresholds. An authenticated request takes one or two round trips, a sign-in about ten, one
	// after the other.
	noteRoundTrip = 5 * time.Millisecond
	warnRoundTrip = 50 * time.Millisecond
	warnSkew      = time.Second      // expiry and rate limits are off by this much
	problemSkew   = 30 * time.Second // the clock skew that tokens tolerate
)

func roundTrip(r *report, e *models.Inspection) {
	const id, fix = "database.distance", "run the server near the database: same zone, same network"
	switch {
	case e.RoundTrip > warnRoundTrip:
		r.add(
			id, Warning,
			fmt.Sprintf("a database round trip takes %s, and a sign-in takes about ten", shortDuration(e.RoundTrip)),
			fix,
		)
	case e.RoundTrip > noteRoundTrip:
		r.add(id, Note, fmt.Sprintf("a database round trip takes %s", shortDuration(e.RoundTrip)), fix)
	}
}

func clock(r *report, e *models.Inspection) {
	const id, fix = "database.clock", "synchronize both clocks (chrony, systemd-timesyncd): sessions, links and rate limits use the server's clock, and all servers must agree"
	if e.File != nil {
		return // SQLite uses the server's clock
	}
	direction := "ahead of the server's"
	if e.ClockAhead < 0 {
		direction = "behind the server's"
	}
	message := fmt.Sprintf("the database's clock is %s %s", shortDuration(e.ClockAhead.Abs()), direction)
	switch off := e.ClockAhead.Abs(); {
	case off > problemSkew:
		r.add(id, Problem, message, fix)
	case off > warnSkew:
		r.add(id, Warning, message, fix)
	default:
		r.ok(id, "the database's clock agrees with the server's")
	}
}

func migrations(r *report, e *models.Inspection) {
	const id = "database.migrations"
	if n := len(e.Unknown); n > 0 {
		r.add(id, Warning,
			fmt.Sprintf("the database is ahead: %s that this version does not know, up to number %d", plural(n, "migration is applied", "migrations are applied"), e.Unknown[n-1]),
			"this is normal during an upgrade; otherwise run the newer version (docs/upgrade.md)")
	}
	if n := len(e.Ahead); n > 0 {
		r.add(id, Warning,
			fmt.Sprintf("the database is ahead: %s of features that this version does not know, up to %s", plural(n, "migration is applied", "migrations are applied"), e.Ahead[n-1]),
			"this is normal during an upgrade; otherwise run the newer version (docs/upgrade.md)")
	}
	for _, name := range e.Removed {
		r.add(id, Note,
			fmt.Sprintf("the feature %s has migrated this database, and this version does not have it: its tables are kept", name),
			"if the data is no longer needed, drop its tables and the table goose_db_version_"+name)
	}
	if n := len(e.Waiting); n > 0 {
		r.add(id, Note,
			fmt.Sprintf("%s to remove tables or columns, from %s on", plural(n, "migration waits", "migrations wait"), e.Waiting[0]),
			"after all older servers have stopped, run: fieldgate migrate --contract")
	}
	if n := len(e.Pending); n > 0 {
		r.add(id, Warning,
			fmt.Sprintf("%s, from %s on", plural(n, "migration is pending", "migrations are pending"), e.Pending[0]),
			"restart the server, or run fieldgate migrate, to apply them")
	}
	if len(e.Unknown)+len(e.Ahead)+len(e.Waiting)+len(e.Pending) == 0 {
		r.ok(id, "all migrations are applied")
	}
}

// schemaIssues reports the issues of a kind together: a converted table has one in each of its
// columns.
func schemaIssues(r *report, e *models.Inspection) {
	found := false
	for _, kind := range []struct {
		kind  models.SchemaIssueKind
		id    string
		level Level
		text  string
		fix   string
	}{
		{
			models.IssueMissing, "database.tables", Problem,
			"missing, although the migration is applied: ",
			"recreate it as in its file in models/migrations, or restore a backup",
		},
		{
			models.IssueEngine, "database.engine", Problem,
			"an engine without transactions: ",
			"ALTER TABLE … ENGINE = InnoDB",
		},
		{
			models.IssuePrimaryKey, "database.keys", Warning,
			"no primary key, which clusters require: ",
			"recreate the table as in its file in models/migrations/mysql",
		},
		{
			models.IssueCollation, "database.collation", Problem, "a collation that does not compare byte by byte: ",
			"restore the character set and collation of its file in models/migrations/mysql (ALTER TABLE … MODIFY …): otherwise two addresses may count as one, or one as two",
		},
	} {
		var list []string
		for _, f := range e.Issues {
			if f.Kind == kind.kind {
				list = append(list, describeIssue(f))
			}
		}
		if len(list) > 0 {
			r.add(kind.id, kind.level, kind.text+enumerate(list), kind.fix)
			found = true
		}
	}
	if len(e.Corruption) > 0 {
		r.add(
			"database.damage", Problem,
			"the file is damaged (quick_check): "+enumerate(e.Corruption),
			"restore a backup (docs/operations.md), and check the disk",
		)
		found = true
	}
	if !found && len(e.Pending) == 0 {
		r.ok("database.tables", "tables, columns and indexes match the migrations")
	}
	if e.TimeZone != "" && e.TimeZone != "+00:00" || !e.Strict {
		r.add("database.session", Problem,
			fmt.Sprintf("connections have the time zone %q and strict mode %t; the server requested +00:00 and strict mode", e.TimeZone, e.Strict),
			"configure the proxy in front of the database to keep session variables")
	}
}

func describeIssue(f models.SchemaIssue) string {
	if f.Actual == "" {
		return f.Object
	}
	return f.Object + " has " + f.Actual + " instead of " + f.Expected
}

// enumerate lists the first five elements and the number of the others.
func enumerate(list []string) string {
	const most = 5
	if len(list) > most {
		return strings.Join(list[:most], "; ") + fmt.Sprintf("; and %d more", len(list)-most)
	}
	return strings.Join(list, "; ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

const (
	megabyte = 1 << 20
	gigabyte = 1 << 30
)

// sqliteFile checks the file of SQLite and its directory.
func sqliteFile(r *report, f Snapshot, e *models.Inspection) {
	d := e.File
	const id = "database.file"
	switch {
	case isWorldAccessible(d.Mode):
		r.add(
			id, productionLevel(f, Problem),
			fmt.Sprintf("%s has the mode %04o: every user of the machine can read it", d.Path, d.Mode),
			"chmod 600 "+d.Path,
		)
	case d.Folder&0o002 != 0 && isWorldAccessible(d.Folder):
		r.add(id, productionLevel(f, Warning),
			fmt.Sprintf("the directory of %s has the mode %04o: every user of the machine can replace the file", d.Path, d.Folder),
			"move the file to a directory of its own with the mode 0700")
	default:
		r.ok(id, "%s is not accessible to other users", d.Path)
	}
	if d.Journal != "wal" {
		r.add("database.journal", Warning,
			"the journal mode is "+d.Journal+": the file system has no shared memory (network file systems have none), so readers and writers block each other",
			"move the database to a local disk")
	}
	diskSpace(r, d)
	if f.Config.Production {
		r.add(
			"database.sqlite", Note,
			"SQLite in production allows only one machine",
			"run fieldgate backup regularly; use MySQL for several machines (docs/operations.md)",
		)
	}
}

func diskSpace(r *report, d *models.DatabaseFile) {
	const id = "database.disk"
	message := fmt.Sprintf("%d MB are free on the disk of %s, which has %d MB", d.Free/megabyte, d.Path, d.Size/megabyte)
	switch {
	case d.Free < 0:
	case d.Free < 64*megabyte:
		r.add(id, Problem, message+": writes will fail soon", "free disk space, or move the database to a larger disk")
	case d.Free < gigabyte || d.Free < d.Size:
		r.add(
			id, Warning,
			message+": a migration or a backup may need as much as the size of the database",
			"free disk space, or move the database to a larger disk",
		)
	default:
		r.ok(id, "%s", message)
	}
}

func encryption(r *report, f Snapshot) {
	const id = "database.tls"
	u, err := url.Parse(f.Config.DatabaseURL)
	if err != nil || isLoopback(u.Hostname()) {
		return
	}
	switch mode := u.Query().Get("tls"); mode {
	case "true":
		r.ok(id, "the connection is encrypted, and the database's certificate is checked")
	case "", "false":
		r.add(
			id, productionLevel(f, Warning),
			"the connection to "+u.Hostname()+" is not encrypted",
			"add ?tls=true to DATABASE_URL, unless the network is private",
		)
	default:
		r.add(
			id, productionLevel(f, Warning),
			"the connection to "+u.Hostname()+" does not verify the database's certificate: tls="+mode,
			"use ?tls=true in DATABASE_URL, unless the network is private",
		)
	}
}

func connections(r *report, e *models.Inspection) {
	const id, spare = "database.connections", 10 // spare connections for operators
	each := e.Pool + 1                           // one more for the heartbeat
	if e.MaxConnections == 0 {
		r.ok(id, "the database has no connection limit")
	} else if fits := (e.MaxConnections - spare) / each; fits < 2 {
		r.add(id, Warning,
			fmt.Sprintf("the database allows %d connections in total, and a server opens up to %d", e.MaxConnections, each),
			fmt.Sprintf("set max_connections to at least %d per server, plus %d", each, spare))
	} else {
		r.ok(id, "the database allows %d connections, enough for %d servers with %d each", e.MaxConnections, fits, each)
	}
}

func cluster(r *report, c *models.Cluster) {
	const id = "database.cluster"
	if c == nil {
		return
	}
	message := fmt.Sprintf("a %s node in a cluster of %s", c.Status, plural(c.Size, "node", "nodes"))
	switch {
	case !c.Ready || !strings.EqualFold(c.Status, "Primary"):
		r.add(
			id, Problem,
			message+": it accepts no statements",
			"read the node's log; point DATABASE_URL at a node, or a proxy, on the side of the majority",
		)
	case c.Size%2 == 0:
		r.add(
			id, Warning,
			message+": with an even number, no side has a majority if the network splits in the middle",
			"use an odd number of nodes, or add garbd as another vote",
		)
	default:
		r.ok(id, "%s", message)
	}
}

func administrators(r *report, f Snapshot) {
	const id = "accounts.admin"
	switch {
	case f.Database.Inspection == nil || len(f.Database.Inspection.Pending) > 0:
	case f.Database.AdminErr != nil:
		r.add(
			id, Problem,
			"cannot check for an administrator: "+f.Database.AdminErr.Error(),
			"repair the table users first",
		)
	case f.Database.HasAdmin:
		r.ok(id, "an enabled account has the role ADMIN")
	default:
		r.add(
			id, Warning,
			"no enabled account has the role ADMIN",
			"run fieldgate user create EMAIL --name NAME --role ADMIN, or fieldgate user role EMAIL ADMIN",
		)
	}
}

func machine(r *report, f Snapshot) {
	m := f.Machine
	const id = "machine"
	ok := true
	if m.Quota > 0 && m.Quota < float64(m.Threads) {
		r.add(id+".processors", Warning,
			fmt.Sprintf("the container's quota is %.3g of %d processors, and passwords are hashed on %d threads: all requests stop while the quota is used up",
				m.Quota, m.Processors, m.Threads), "set the quota to a whole number of at least 2, or assign processors instead (docker: cpuset, systemd: AllowedCPUs)")
		ok = false
	}
	if m.Memory > 0 && !m.HasGoMemLimit {
		r.add(
			id+".memory", Note,
			fmt.Sprintf("the container's memory limit is %d MB, and GOMEMLIMIT is not set", m.Memory/megabyte),
			fmt.Sprintf("set GOMEMLIMIT=%dMiB, so that garbage is collected before the limit", m.Memory*9/10/megabyte),
		)
		ok = false
	}
	if ok && m.Processors > 0 {
		r.ok(id, "%s", plural(m.Processors, "processor", "processors"))
	}
}
