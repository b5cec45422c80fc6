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
		r.add(id, Problem, "DATABASE_URL: "+d.Err.Error(), "check the address, that the database runs, and that this machine and user may connect")
		return
	case d.IsNew:
		r.add(id, Note, "there is no database yet", "the first start makes it, or: fieldgate migrate")
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

// oldestVersions are the versions from which on a server is maintained by somebody, and known to work.
var oldestVersions = map[string][2]int{"MySQL": {8, 0}, "MariaDB": {10, 6}}

func version(r *report, e *models.Inspection) {
	least, known := oldestVersions[e.Product]
	majorText, rest, _ := strings.Cut(e.Version, ".")
	minorText, _, _ := strings.Cut(rest, ".")
	major, err := strconv.Atoi(majorText)
	minor, _ := strconv.Atoi(minorText)
	if known && err == nil && (major < least[0] || major == least[0] && minor < least[1]) {
		r.add("database.version", Warning, fmt.Sprintf("%s %s gets no security fixes any more, and is not tested with", e.Product, e.Version),
			fmt.Sprintf("%s %d.%d or newer", e.Product, least[0], least[1]))
	}
}

// A request asks once or twice, a sign-in some ten times, one after the other.
const (
	noteRoundTrip = 5 * time.Millisecond
	warnRoundTrip = 50 * time.Millisecond
	warnSkew      = time.Second      // sessions end and limits open earlier or later by as much
	problemSkew   = 30 * time.Second // as much as tokens are given for clocks that differ
)

func roundTrip(r *report, e *models.Inspection) {
	const id, do = "database.distance", "run the server beside the database: same zone, same network"
	switch {
	case e.RoundTrip > warnRoundTrip:
		r.add(id, Warning, fmt.Sprintf("a question takes %s: a sign-in asks about ten", shortDuration(e.RoundTrip)), do)
	case e.RoundTrip > noteRoundTrip:
		r.add(id, Note, fmt.Sprintf("a question takes %s", shortDuration(e.RoundTrip)), do)
	}
}

func clock(r *report, e *models.Inspection) {
	const id, do = "database.clock", "let both keep time (chrony, systemd-timesyncd): sessions, links and rate limits are judged by the server's clock, and replicas have to agree"
	if e.File != nil {
		return // it has ours
	}
	direction := "ahead of ours"
	if e.ClockAhead < 0 {
		direction = "behind ours"
	}
	seen := fmt.Sprintf("the database's clock is %s %s", shortDuration(e.ClockAhead.Abs()), direction)
	switch off := e.ClockAhead.Abs(); {
	case off > problemSkew:
		r.add(id, Problem, seen, do)
	case off > warnSkew:
		r.add(id, Warning, seen, do)
	default:
		r.ok(id, "it agrees with ours")
	}
}

func migrations(r *report, e *models.Inspection) {
	const id = "database.migrations"
	if n := len(e.Unknown); n > 0 {
		r.add(id, Warning, fmt.Sprintf("the database is ahead: %s that this program does not know, up to number %d", plural(n, "migration is applied", "migrations are applied"), e.Unknown[n-1]),
			"in the middle of an upgrade this is as it should be; otherwise run the newer program (docs/upgrade.md)")
	}
	if n := len(e.Ahead); n > 0 {
		r.add(id, Warning, fmt.Sprintf("the database is ahead: %s of features that this program does not know, up to %s", plural(n, "migration is applied", "migrations are applied"), e.Ahead[n-1]),
			"in the middle of an upgrade this is as it should be; otherwise run the newer program (docs/upgrade.md)")
	}
	for _, name := range e.Removed {
		r.add(id, Note, fmt.Sprintf("the feature %s has migrated this database, and this program does not have it: its tables stay", name),
			"if its data is not wanted any more, drop its tables and the table goose_db_version_"+name)
	}
	if n := len(e.Waiting); n > 0 {
		r.add(id, Note, fmt.Sprintf("%s to take something away, from %s on", plural(n, "migration waits", "migrations wait"), e.Waiting[0]),
			"once no older program runs: fieldgate migrate --contract")
	}
	if n := len(e.Pending); n > 0 {
		r.add(id, Warning, fmt.Sprintf("%s, from %s on", plural(n, "migration is pending", "migrations are pending"), e.Pending[0]),
			"the next start applies them, or: fieldgate migrate")
	}
	if len(e.Unknown)+len(e.Ahead)+len(e.Waiting)+len(e.Pending) == 0 {
		r.ok(id, "all are applied")
	}
}

// schemaIssues says all of a kind at once: a table that was converted has one in each of its columns.
func schemaIssues(r *report, e *models.Inspection) {
	found := false
	for _, kind := range []struct {
		kind  models.SchemaIssueKind
		id    string
		level Level
		seen  string
		do    string
	}{
		{models.IssueMissing, "database.tables", Problem, "not there, although its migration is applied: ", "make it again as its file in models/migrations does, or restore a backup"},
		{models.IssueEngine, "database.engine", Problem, "without transactions: ", "ALTER TABLE … ENGINE = InnoDB"},
		{models.IssuePrimaryKey, "database.keys", Warning, "without a primary key, which clusters need: ", "make it again as its file in models/migrations/mysql does"},
		{
			models.IssueCollation, "database.collation", Problem, "text is not compared byte by byte: ",
			"give it back the character set and collation of its file in models/migrations/mysql (ALTER TABLE … MODIFY …): two addresses may count as one, or one as two",
		},
	} {
		var list []string
		for _, f := range e.Issues {
			if f.Kind == kind.kind {
				list = append(list, describeIssue(f))
			}
		}
		if len(list) > 0 {
			r.add(kind.id, kind.level, kind.seen+enumerate(list), kind.do)
			found = true
		}
	}
	if len(e.Corruption) > 0 {
		r.add("database.damage", Problem, "quick_check: "+enumerate(e.Corruption), "restore a backup (docs/operations.md), and look at the disk")
		found = true
	}
	if !found && len(e.Pending) == 0 {
		r.ok("database.tables", "tables, columns and indexes are as the migrations make them")
	}
	if e.TimeZone != "" && e.TimeZone != "+00:00" || !e.Strict {
		r.add("database.session", Problem, fmt.Sprintf("connections have the time zone %q and strict mode %t, although they ask for +00:00 and strict", e.TimeZone, e.Strict),
			"a proxy between drops what they ask for: have it keep session variables")
	}
}

func describeIssue(f models.SchemaIssue) string {
	if f.Actual == "" {
		return f.Object
	}
	return f.Object + " has " + f.Actual + " instead of " + f.Expected
}

// enumerate names the first few.
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

// sqliteFile looks at SQLite's.
func sqliteFile(r *report, f Snapshot, e *models.Inspection) {
	d := e.File
	const rights = "database.file"
	switch {
	case isWorldAccessible(d.Mode):
		r.add(rights, productionLevel(f, Problem), fmt.Sprintf("%s has the mode %04o: every user of the machine can read it", d.Path, d.Mode), "chmod 600 "+d.Path)
	case d.Folder&0o002 != 0 && isWorldAccessible(d.Folder):
		r.add(rights, productionLevel(f, Warning), fmt.Sprintf("the folder of %s has the mode %04o: every user of the machine can put another file in its place", d.Path, d.Folder),
			"a folder of its own, with the mode 0700")
	default:
		r.ok(rights, "%s can be read by those who should", d.Path)
	}
	if d.Journal != "wal" {
		r.add("database.journal", Warning, "the journal mode is "+d.Journal+": the file system has no shared memory, as network ones have not, and readers and writers wait for each other",
			"a disk of the machine's own")
	}
	diskSpace(r, d)
	if f.Config.Production {
		r.add("database.sqlite", Note, "SQLite in production: one machine, and no replicas on others", "fieldgate backup makes copies; MySQL for several machines (docs/operations.md)")
	}
}

func diskSpace(r *report, d *models.DatabaseFile) {
	const id = "database.disk"
	seen := fmt.Sprintf("%d MB are free on the disk of %s, which has %d MB", d.Free/megabyte, d.Path, d.Size/megabyte)
	switch {
	case d.Free < 0:
	case d.Free < 64*megabyte:
		r.add(id, Problem, seen+": soon nothing can be written", "make room, or put the database on a larger disk")
	case d.Free < gigabyte || d.Free < d.Size:
		r.add(id, Warning, seen+": a migration or a backup may need as much as the database has", "make room, or put the database on a larger disk")
	default:
		r.ok(id, "%s", seen)
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
		r.ok(id, "the connection is encrypted, and the server's certificate checked")
	case "", "false":
		r.add(id, productionLevel(f, Warning), "the connection to "+u.Hostname()+" is not encrypted", "?tls=true, unless nobody else is on that network")
	default:
		r.add(id, productionLevel(f, Warning), "the connection to "+u.Hostname()+" does not check who answers: tls="+mode, "?tls=true, unless nobody else is on that network")
	}
}

func connections(r *report, e *models.Inspection) {
	const id, spare = "database.connections", 10 // for whoever looks after it
	each := e.Pool + 1                           // the heartbeat's
	if e.MaxConnections == 0 {
		r.ok(id, "the database sets no limit")
	} else if fits := (e.MaxConnections - spare) / each; fits < 2 {
		r.add(id, Warning, fmt.Sprintf("the database allows %d connections in all, and a server opens up to %d", e.MaxConnections, each),
			fmt.Sprintf("max_connections of at least %d for each server, and %d more", each, spare))
	} else {
		r.ok(id, "the database allows %d: enough for %d servers of %d each", e.MaxConnections, fits, each)
	}
}

func cluster(r *report, c *models.Cluster) {
	const id = "database.cluster"
	if c == nil {
		return
	}
	seen := fmt.Sprintf("a node of %s with %s", c.Status, plural(c.Size, "node", "nodes"))
	switch {
	case !c.Ready || !strings.EqualFold(c.Status, "Primary"):
		r.add(id, Problem, seen+" that takes no statements", "look into the node's log; point DATABASE_URL at a node, or a proxy, that is with the majority")
	case c.Size%2 == 0:
		r.add(id, Warning, seen+": when the network splits it in the middle, no side goes on", "an odd number of nodes, or garbd as one more voice")
	default:
		r.ok(id, "%s", seen)
	}
}

func administrators(r *report, f Snapshot) {
	const id = "accounts.admin"
	switch {
	case f.Database.Inspection == nil || len(f.Database.Inspection.Pending) > 0:
	case f.Database.AdminErr != nil:
		r.add(id, Problem, "nobody knows whether somebody may administer: "+f.Database.AdminErr.Error(), "mend the table users first")
	case f.Database.HasAdmin:
		r.ok(id, "somebody may administer")
	default:
		r.add(id, Warning, "nobody has the role ADMIN and an open account", "fieldgate user create EMAIL --name NAME --role ADMIN, or: fieldgate user role EMAIL ADMIN")
	}
}

func machine(r *report, f Snapshot) {
	m := f.Machine
	const id = "machine"
	good := true
	if m.Quota > 0 && m.Quota < float64(m.Threads) {
		r.add(id+".processors", Warning, fmt.Sprintf("the container may use %.3g of %d processors by a quota, and passwords are hashed on %d threads: when the quota is used up everything stands still",
			m.Quota, m.Processors, m.Threads), "let it be a whole number of at least 2, or give it processors instead of a quota (docker: cpuset, systemd: AllowedCPUs)")
		good = false
	}
	if m.Memory > 0 && !m.HasGoMemLimit {
		r.add(id+".memory", Note, fmt.Sprintf("the container may use %d MB, and GOMEMLIMIT is not set", m.Memory/megabyte), fmt.Sprintf("GOMEMLIMIT=%dMiB, so that garbage is collected before the limit", m.Memory*9/10/megabyte))
		good = false
	}
	if good && m.Processors > 0 {
		r.ok(id, "%s", plural(m.Processors, "processor", "processors"))
	}
}
