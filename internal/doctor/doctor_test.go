package doctor

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/config"
	"fieldgate/models"
)

// Random secrets, generated for these tests.
const (
	strongSecret = "f1Z8mC0qT-xW7uHnB5vR3eKyLdJ9aPoS2gQ6iXbVtE4"
	factorKey    = "KBny5XCG64aC2DHlepPzYf_qVpsPnkaY8o2Q5A7lJVw"
	newFactorKey = "uuiplz1OL3kpPS8isiDjFh0xvIf0V_kd-Yep1K9He_g"
)

// scenario is the input of a check: an environment, and the state around it.
type scenario struct {
	env        map[string]string
	snapshot   Snapshot
	inspection models.Inspection // of a database that answers
}

// healthyServer returns a production server without findings.
func healthyServer() *scenario {
	return &scenario{
		env: map[string]string{
			"ENV": "production", "PUBLIC_URL": "https://api.example.com", "JWT_SECRET": strongSecret,
			"DATABASE_URL": "mysql://fieldgate:hunter2@db.example.com/fieldgate?tls=true", "PASSWORD_PEPPER": strongSecret[:20], "FACTOR_KEYS": factorKey,
			"SMTP_URL": "smtp://mail.example.com", "TRUSTED_PROXIES": "10.0.0.0/8",
		},
		snapshot: Snapshot{
			HashTime: 250 * time.Millisecond,
			Breached: &BreachedFile{Passwords: 20_000_000},
			Machine:  Machine{Processors: 4},
			Database: Database{HasAdmin: true},
			Mail:     &Result{},
		},
		inspection: models.Inspection{
			Product: "MySQL", Version: "8.4.3", RoundTrip: time.Millisecond, Pool: 32, MaxConnections: 151, TimeZone: "+00:00", Strict: true,
		},
	}
}

func (w *scenario) setEnv(env ...string) {
	for i := 0; i < len(env); i += 2 {
		w.env[env[i]] = env[i+1]
	}
}

// onSQLite moves the database to a SQLite file.
func (w *scenario) onSQLite(file models.DatabaseFile) {
	w.setEnv("DATABASE_URL", "sqlite:///var/lib/fieldgate.db")
	file.Path = "/var/lib/fieldgate.db"
	w.inspection = models.Inspection{Product: "SQLite", Version: "3.53.0", Strict: true, Pool: 4, File: &file}
}

var healthyFile = models.DatabaseFile{Mode: 0o600, Folder: 0o700, Journal: "wal", Size: megabyte, Free: 10 * gigabyte}

// signIns sets the address that ofTop of total sign-ins came from.
func (w *scenario) signIns(top string, ofTop, total int) {
	w.snapshot.Database.SignIns = models.AddressCounts{Top: top, TopCount: ofTop, Total: total}
}

func (w *scenario) check(t *testing.T) []Finding {
	t.Helper()
	env := maps.Clone(w.env)
	w.snapshot.Config, w.snapshot.ConfigErr = config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if d := &w.snapshot.Database; d.Err == nil && !d.IsNew {
		d.Inspection = &w.inspection
	}
	return Check(w.snapshot)
}

func TestCheckFindings(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(w *scenario)
		want   string // the findings that are not ok, in order: level and id
		seen   string // part of the messages
	}{
		{"a healthy server", func(*scenario) {}, "", ""},
		{"development", func(w *scenario) { clear(w.env); w.onSQLite(healthyFile) }, "note environment, note keys, note passwords.pepper", "development"},
		{"two keys during a rotation", func(w *scenario) { w.setEnv("JWT_SECRET", strongSecret+","+strings.ToUpper(strongSecret)) }, "note keys", "2 keys verify"},
		{"keys that were never removed", func(w *scenario) { w.setEnv("JWT_PRIVATE_KEY_FILES", "a.pem,b.pem,c.pem") }, "warning keys", "4 keys verify"},
		{
			"a weak secret in development", func(w *scenario) {
				clear(w.env)
				w.onSQLite(healthyFile)
				w.setEnv("JWT_SECRET", "my secret is a secret is a secret")
			}, "note environment, warning keys.weak, note passwords.pepper", "common word",
		},
		{"a world-readable key", func(w *scenario) {
			w.setEnv("JWT_PRIVATE_KEY_FILES", "a.pem", "JWT_SECRET", "")
			w.snapshot.KeyFiles = []KeyFile{{Name: "a.pem", Mode: 0o644}}
		}, "problem keys.files", "0644"},
		{"a group-readable key", func(w *scenario) {
			w.setEnv("JWT_PRIVATE_KEY_FILES", "a.pem", "JWT_SECRET", "")
			w.snapshot.KeyFiles = []KeyFile{{Name: "a.pem", Mode: 0o440}}
		}, "", ""},
		{"an unreadable key", func(w *scenario) { w.snapshot.KeyFiles = []KeyFile{{Name: "a.pem", Err: fs.ErrPermission}} }, "problem keys.files", "permission denied"},
		{"an unused development key", func(w *scenario) { w.snapshot.DevelopmentKey = KeyUnused }, "note keys.development", "unused key"},
		{"a development key in production", func(w *scenario) { w.snapshot.DevelopmentKey = KeySigning }, "warning keys.development", "beside the database"},
		{"no key of second factors", func(w *scenario) { w.setEnv("FACTOR_KEYS", "") }, "warning factors.keys", "cannot enrol a second factor"},
		{
			"no key of second factors in development", func(w *scenario) {
				w.setEnv("ENV", "", "FACTOR_KEYS", "")
			}, "note environment, note factors.keys", "FACTOR_KEYS is not set",
		},
		{"two keys of second factors", func(w *scenario) { w.setEnv("FACTOR_KEYS", newFactorKey+","+factorKey) }, "note factors.keys", "2 keys decrypt second factors"},
		{"a key of second factors that signs tokens", func(w *scenario) { w.setEnv("FACTOR_KEYS", strongSecret) }, "problem factors.keys", "also in JWT_SECRET"},
		{
			"a key of second factors that is a pepper", func(w *scenario) {
				w.setEnv("FACTOR_KEYS", newFactorKey+","+factorKey, "PASSWORD_PEPPER", strongSecret[:20]+","+factorKey)
			}, "problem factors.keys, note factors.keys, note passwords.pepper", "key 2 of FACTOR_KEYS is also in PASSWORD_PEPPER",
		},
		{"no pepper", func(w *scenario) { w.setEnv("PASSWORD_PEPPER", "") }, "note passwords.pepper", "not set"},
		{"two peppers during a rotation", func(w *scenario) { w.setEnv("PASSWORD_PEPPER", strongSecret[:20]+","+strongSecret[5:30]) }, "note passwords.pepper", "2 peppers verify"},
		{"no breached passwords", func(w *scenario) { w.snapshot.Breached = nil }, "warning passwords.breached", "BREACHED_PASSWORDS is not set"},
		{"an unreadable file of breached passwords", func(w *scenario) { w.snapshot.Breached = &BreachedFile{Err: fs.ErrPermission} }, "problem passwords.breached", "permission denied"},
		{"a slow processor", func(w *scenario) { w.snapshot.HashTime = 1100 * time.Millisecond }, "warning passwords.cost", "1.1s of processor time at BCRYPT_COST=12"},
		{"a cheap cost", func(w *scenario) { w.snapshot.HashTime = 45 * time.Millisecond; w.setEnv("BCRYPT_COST", "10") }, "warning passwords.cost", "45ms of processor time at BCRYPT_COST=10"},
		{"plain http on a network", func(w *scenario) {
			w.setEnv("ENV", "", "PUBLIC_URL", "http://api.example.com", "TRUSTED_PROXIES", "")
		}, "note environment, warning url.public", "unencrypted"},
		{"an app of the same site that may call the API", func(w *scenario) {
			w.setEnv("APP_URL", "https://app.example.com", "CORS_ORIGINS", "https://app.example.com")
		}, "", ""},
		{"an app that may not call the API", func(w *scenario) { w.setEnv("APP_URL", "https://app.example.com") }, "warning url.app", "may not call"},
		{
			"an app of another site with a strict cookie", func(w *scenario) {
				w.setEnv("APP_URL", "https://shop.example.org", "CORS_ORIGINS", "https://shop.example.org")
			},
			"warning cookie.samesite", "https://shop.example.org is another site",
		},
		{
			"two customers of one host", func(w *scenario) {
				w.setEnv("PUBLIC_URL", "https://a.github.io", "CORS_ORIGINS", "https://b.github.io")
			},
			"warning cookie.samesite", "another site",
		},
		{"an app of another site with a lax cookie", func(w *scenario) { w.setEnv("CORS_ORIGINS", "https://example.org", "COOKIE_SAMESITE", "lax") }, "warning cookie.samesite", ""},
		{"an app of another site with a cookie for it", func(w *scenario) { w.setEnv("CORS_ORIGINS", "https://example.org", "COOKIE_SAMESITE", "none") }, "", ""},
		{"a cookie for other sites without other sites", func(w *scenario) { w.setEnv("COOKIE_SAMESITE", "none") }, "warning cookie.samesite", "no page"},
		{"an origin on the visitor's machine", func(w *scenario) { w.setEnv("CORS_ORIGINS", "http://localhost:5173") }, "warning cors, warning cookie.samesite", "localhost"},
		{"an origin without https", func(w *scenario) { w.setEnv("CORS_ORIGINS", "http://app.example.com") }, "warning cors, warning cookie.samesite", "network"},
		{"no proxies before https", func(w *scenario) { w.setEnv("TRUSTED_PROXIES", "") }, "warning proxies", "share its rate limits"},
		{"half the internet as a proxy", func(w *scenario) { w.setEnv("TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1") }, "problem proxies, problem proxies", "0.0.0.0/1"},
		{"a range of many operators", func(w *scenario) { w.setEnv("TRUSTED_PROXIES", "52.0.0.0/8") }, "problem proxies", "52.0.0.0/8"},
		{"all global IPv6 addresses", func(w *scenario) { w.setEnv("TRUSTED_PROXIES", "2000::/3") }, "problem proxies", "2000::/3"},
		{"most sign-ins from one private address", func(w *scenario) { w.signIns("192.168.1.5", 60, 100) }, "warning proxies.signins", "60 of the last 100 sign-ins came from 192.168.1.5"},
		{"the same in development", func(w *scenario) {
			w.setEnv("ENV", "development")
			w.signIns("192.168.1.5", 60, 100)
		}, "note environment, warning proxies.signins", ""},
		{"from this machine, in production", func(w *scenario) { w.signIns("127.0.0.1", 20, 20) }, "warning proxies.signins", "127.0.0.1"},
		{"from a trusted proxy, which names no client", func(w *scenario) { w.signIns("10.0.0.7", 99, 100) }, "warning proxies.signins", "10.0.0.7"},
		{"from one private network of IPv6", func(w *scenario) { w.signIns("fd00::1", 51, 100) }, "warning proxies.signins", "fd00::1"},
		{"from a shared address", func(w *scenario) { w.signIns("100.64.0.9", 51, 100) }, "warning proxies.signins", "100.64.0.9"},
		{"most from one public address", func(w *scenario) { w.signIns("198.51.100.7", 99, 100) }, "", ""},
		{"half from a private one", func(w *scenario) { w.signIns("10.0.0.7", 50, 100) }, "", ""},
		{"too few sign-ins", func(w *scenario) { w.signIns("10.0.0.7", 19, 19) }, "", ""},
		{"proxies in private ranges", func(w *scenario) {
			w.setEnv("TRUSTED_PROXIES", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fd00::/8,127.0.0.1")
		}, "", ""},
		{"no mail", func(w *scenario) { w.setEnv("SMTP_URL", "") }, "warning mail", "reset a password"},
		{"unencrypted mail", func(w *scenario) { w.setEnv("SMTP_URL", "smtp://mail.example.com?tls=none") }, "warning mail", "unencrypted"},
		{"unencrypted mail on the machine", func(w *scenario) { w.setEnv("SMTP_URL", "smtp://127.0.0.1?tls=none") }, "", ""},
		{"a mail server that rejects the sign-in", func(w *scenario) { w.snapshot.Mail = &Result{errors.New("535 no")} }, "problem mail.server", "535 no"},
		{"invalid templates", func(w *scenario) { w.snapshot.TemplatesErr = errors.New("verify-email.txt: no link") }, "problem mail.templates", "no link"},
		{
			"development settings in production", func(w *scenario) { w.setEnv("INTROSPECTION", "true", "PLAYGROUND", "true", "LOG_LEVEL", "debug") },
			"note surface.introspection, note surface.playground, warning surface.log", "",
		},
		{"no limits", func(w *scenario) { w.setEnv("ENV", "", "LIMITS", "off") }, "note environment, warning surface.limits", "guessed"},
		{"a log without warnings", func(w *scenario) { w.setEnv("LOG_LEVEL", "error") }, "note surface.log", "stolen"},
		{"cached sessions", func(w *scenario) { w.setEnv("SESSION_RECHECK", "5s") }, "note surface.recheck", "5s later"},

		{"a database that is down", func(w *scenario) { w.snapshot.Database = Database{Err: models.ErrUnavailable} }, "problem database", "does not answer"},
		{"a database that does not exist yet", func(w *scenario) { w.snapshot.Database = Database{IsNew: true} }, "note database", "does not exist yet"},
		{"an old MySQL", func(w *scenario) { w.inspection.Version = "5.7.44-log" }, "warning database.version", "5.7.44"},
		{"an old MariaDB", func(w *scenario) { w.inspection.Product, w.inspection.Version = "MariaDB", "10.5.29" }, "warning database.version", "10.5.29"},
		{"a MariaDB", func(w *scenario) { w.inspection.Product, w.inspection.Version = "MariaDB", "10.11.6" }, "", ""},
		{"an unknown version format", func(w *scenario) { w.inspection.Version = "cloud" }, "", ""},
		{"a distant database", func(w *scenario) { w.inspection.RoundTrip = 8 * time.Millisecond }, "note database.distance", "8ms"},
		{"a database on another continent", func(w *scenario) { w.inspection.RoundTrip = 80 * time.Millisecond }, "warning database.distance", "80ms"},
		{"a clock that is slightly wrong", func(w *scenario) { w.inspection.ClockAhead = -2 * time.Second }, "warning database.clock", "2s behind the server's"},
		{"a clock that is wrong", func(w *scenario) { w.inspection.ClockAhead = time.Hour }, "problem database.clock", "1h0m ahead of the server's"},
		{"a migration that is pending", func(w *scenario) { w.inspection.Pending = []string{"00009_audit.sql"} }, "warning database.migrations", "1 migration is pending, from 00009_audit.sql on"},
		{"a migration that waits for --contract", func(w *scenario) { w.inspection.Waiting = []string{"00012_no_nickname.sql"} }, "note database.migrations", "1 migration waits to remove tables or columns, from 00012_no_nickname.sql on"},
		{"a database that is ahead", func(w *scenario) { w.inspection.Unknown = []int64{10, 11} }, "warning database.migrations", "2 migrations are applied that this version does not know, up to number 11"},
		{"a feature that is ahead", func(w *scenario) { w.inspection.Ahead = []string{"notes/00007"} }, "warning database.migrations", "up to notes/00007"},
		{"a feature that was removed", func(w *scenario) { w.inspection.Removed = []string{"notes"} }, "note database.migrations", "the feature notes"},
		{"a missing column", func(w *scenario) {
			w.inspection.Issues = []models.SchemaIssue{{Kind: models.IssueMissing, Object: "users.role"}}
		}, "problem database.tables", "users.role"},
		{"tables with several issues", func(w *scenario) {
			w.inspection.Issues = []models.SchemaIssue{
				{Kind: models.IssueEngine, Object: "limits", Actual: "MyISAM", Expected: "InnoDB"},
				{Kind: models.IssuePrimaryKey, Object: "turns", Actual: "none", Expected: "a primary key"},
				{Kind: models.IssueCollation, Object: "users.email_key", Actual: "utf8mb4_general_ci", Expected: "utf8mb4_bin"},
			}
		}, "problem database.engine, warning database.keys, problem database.collation", "users.email_key has utf8mb4_general_ci instead of utf8mb4_bin"},
		{"a proxy that drops session variables", func(w *scenario) { w.inspection.TimeZone, w.inspection.Strict = "SYSTEM", false }, "problem database.session", `"SYSTEM"`},
		{"an unencrypted database", func(w *scenario) { w.setEnv("DATABASE_URL", "mysql://u:hunter2@db/x") }, "warning database.tls", "not encrypted"},
		{"an unencrypted database on the machine", func(w *scenario) { w.setEnv("DATABASE_URL", "mysql://u:hunter2@127.0.0.1/x") }, "", ""},
		{"a database without certificate verification", func(w *scenario) { w.setEnv("DATABASE_URL", "mysql://u:hunter2@db/x?tls=skip-verify") }, "warning database.tls", "skip-verify"},
		{"few connections", func(w *scenario) { w.inspection.MaxConnections = 40 }, "warning database.connections", "40"},
		{"a database without a limit", func(w *scenario) { w.inspection.MaxConnections = 0 }, "", ""},
		{"a cluster", func(w *scenario) {
			w.inspection.Cluster = &models.Cluster{Ready: true, Status: "Primary", Size: 3}
		}, "", ""},
		{
			"a cluster of two", func(w *scenario) { w.inspection.Cluster = &models.Cluster{Ready: true, Status: "Primary", Size: 2} },
			"warning database.cluster", "2 nodes",
		},
		{"a node of a minority", func(w *scenario) { w.inspection.Cluster = &models.Cluster{Status: "non-Primary", Size: 1} }, "problem database.cluster", "non-Primary"},
		{"no administrator", func(w *scenario) { w.snapshot.Database.HasAdmin = false }, "warning accounts.admin", "ADMIN"},
		{"unreadable accounts", func(w *scenario) { w.snapshot.Database.AdminErr = errors.New("no such table") }, "problem accounts.admin", "no such table"},

		{"SQLite", func(w *scenario) { w.onSQLite(healthyFile) }, "note database.sqlite", "one machine"},
		{"a world-readable file", func(w *scenario) { f := healthyFile; f.Mode = 0o644; w.onSQLite(f) }, "problem database.file, note database.sqlite", "0644"},
		{"a world-writable directory", func(w *scenario) { f := healthyFile; f.Folder = 0o777; w.onSQLite(f) }, "warning database.file, note database.sqlite", "0777"},
		{"a network file system", func(w *scenario) { f := healthyFile; f.Journal = "delete"; w.onSQLite(f) }, "warning database.journal, note database.sqlite", "delete"},
		{"a full disk", func(w *scenario) { f := healthyFile; f.Free = megabyte; w.onSQLite(f) }, "problem database.disk, note database.sqlite", "1 MB are free"},
		{
			"a disk too small for a backup", func(w *scenario) { f := healthyFile; f.Size, f.Free = 3*gigabyte, 2*gigabyte; w.onSQLite(f) },
			"warning database.disk, note database.sqlite", "3072 MB",
		},
		{"a disk of unknown size", func(w *scenario) { f := healthyFile; f.Free = -1; w.onSQLite(f) }, "note database.sqlite", ""},
		{"a damaged file", func(w *scenario) { w.onSQLite(healthyFile); w.inspection.Corruption = []string{"row 1 missing"} }, "problem database.damage, note database.sqlite", "row 1 missing"},

		{"metrics on every address", func(w *scenario) { w.setEnv("METRICS_ADDR", ":9090") }, "note metrics", `":9090"`},
		{"metrics on this machine", func(w *scenario) { w.setEnv("METRICS_ADDR", "127.0.0.1:9090") }, "", ""},
		{"a quota of processors", func(w *scenario) { w.snapshot.Machine = Machine{Processors: 16, Threads: 2, Quota: 1.5} }, "warning machine.processors", "1.5 of 16"},
		{"a quota of whole processors", func(w *scenario) { w.snapshot.Machine = Machine{Processors: 16, Threads: 2, Quota: 2} }, "", ""},
		{"a limit of memory", func(w *scenario) { w.snapshot.Machine = Machine{Processors: 2, Memory: 512 * megabyte} }, "note machine.memory", "512 MB"},
		{"a limit of memory that Go knows", func(w *scenario) {
			w.snapshot.Machine = Machine{Processors: 2, Memory: 512 * megabyte, HasGoMemLimit: true}
		}, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := healthyServer()
			row.change(w)
			findings := w.check(t)
			if w.snapshot.ConfigErr != nil {
				t.Fatal(w.snapshot.ConfigErr)
			}
			var got, seen []string
			for _, f := range findings {
				if f.Level != OK {
					got = append(got, string(f.Level)+" "+f.ID)
					seen = append(seen, f.Message)
				}
				if f.Message == "" || (f.Fix == "") != (f.Level == OK) {
					t.Errorf("%+v: want a message, and a fix unless the level is ok", f)
				}
				if strings.Contains(f.Message+f.Fix, strongSecret[:20]) || strings.Contains(f.Message+f.Fix, factorKey) || strings.Contains(f.Message+f.Fix, "hunter2") {
					t.Errorf("%s shows a secret: %s %s", f.ID, f.Message, f.Fix)
				}
			}
			if strings.Join(got, ", ") != row.want {
				t.Errorf("got findings\n%s\nwant\n%s", strings.Join(got, ", "), row.want)
			}
			if !strings.Contains(strings.Join(seen, "\n"), row.seen) {
				t.Errorf("got messages\n%s\nwant %q in them", strings.Join(seen, "\n"), row.seen)
			}
		})
	}
}

// All configuration errors are reported at once, and none shows a secret.
func TestCheckReportsEveryConfigurationError(t *testing.T) {
	t.Parallel()
	w := healthyServer()
	w.setEnv("JWT_SECRET", "changemechangemechangemechangeme", "BCRYPT_COST", "31", "DATABASE_URL", "")
	findings := w.check(t)
	if len(findings) != 4 || Worst(findings) != Problem || Count(findings, Problem) != 3 {
		t.Fatalf("got findings %+v, want three problems and a note", findings)
	}
	for i, want := range []string{"DATABASE_URL: ", "JWT_SECRET: (not shown) ", `BCRYPT_COST: "31" `} {
		if f := findings[i]; !strings.HasPrefix(f.Message, want) || strings.Contains(f.Message, "changeme") || strings.Contains(f.Message, "Hint") || f.Fix == "" {
			t.Errorf("got %+v, want a message that begins with %s", f, want)
		}
	}
}

func TestCheckReportsUnreadableConfiguration(t *testing.T) {
	t.Parallel()
	findings := Check(Snapshot{ConfigErr: errors.New(".env: line 3: expected NAME=value")})
	if Worst(findings) != Problem || findings[0].Message != ".env: line 3: expected NAME=value" {
		t.Errorf("got findings %+v, want the error of the file", findings)
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		levels []Level
		want   Level
	}{
		{nil, OK},
		{[]Level{OK, Note}, Note},
		{[]Level{Note, Warning, OK}, Warning},
		{[]Level{Problem, Warning}, Problem},
	} {
		var findings []Finding
		for _, l := range row.levels {
			findings = append(findings, Finding{Level: l})
		}
		if got := Worst(findings); got != row.want {
			t.Errorf("%v: got %s, want %s", row.levels, got, row.want)
		}
	}
}

func TestShortDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		15 * time.Minute: "15m", time.Hour: "1h0m", 90 * time.Second: "1m30s", 1449 * time.Millisecond: "1.4s", 234_560 * time.Microsecond: "234.6ms", 25_300: "25µs",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}
