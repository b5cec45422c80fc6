package config

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

const (
	anyDatabase = "sqlite://FILE or mysql://USER:PASSWORD@HOST:PORT/NAME"
	sqliteFile  = "sqlite://fieldgate.db is a file in the working directory, sqlite:///var/lib/fieldgate.db an absolute path"
	inMemory    = "an in-memory database is lost at each restart: " + sqliteFile
	escape      = "in a user or password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"
	mysqlForm   = "mysql://USER:PASSWORD@HOST:PORT/NAME, with "
	aUser       = mysqlForm + "a user. Hint: mysql://fieldgate:PASSWORD@localhost:3306/fieldgate"
	aHost       = mysqlForm + "a host. Hint: the host is a name or an address, as in localhost:3306; without a port it is 3306"
	aName       = mysqlForm + "one database name. Hint: create it first: CREATE DATABASE fieldgate"
	tlsHint     = "mysql://…/NAME?tls=true encrypts the connection and checks the server's certificate"
	tlsMode     = "one tls parameter: true, false, skip-verify or preferred. Hint: " + tlsHint
	ownOptions  = "the server sets the character set, the time zone and the timeouts itself"
)

// unchanged is a sample whose value is stored unchanged.
func unchanged(name, value string) sample {
	return sample{name: name, value: value, want: value}
}

func badDatabase(name, value, shown, expected string) sample {
	return sample{name: name, value: value, err: "DATABASE_URL: " + shown + " is not usable: expected " + expected}
}

var databaseURLSamples = samples{
	of: func(c *Config) any { return c.DatabaseURL },
	rows: []sample{
		unchanged("a relative file", "sqlite://data/fieldgate.db"),
		unchanged("an absolute file", "sqlite:///var/lib/field gate.db"),
		unchanged("a server with everything", "mysql://user:password@host:3306/name?tls=skip-verify"),
		unchanged("a server at the usual port", "mysql://user:password@host/name"),
		unchanged("a user without a password", "mysql://root@localhost/name"),
		unchanged("an escaped password", "mysql://user:p%40ss%2Fw%3Ard@db_1:3306/name"),
		unchanged("an IPv6 server", "mysql://user:password@[::1]:3306/name"),
		unchanged("tls", "mysql://user:password@host/name?tls=true"),
		unchanged("no tls", "mysql://user:password@host/name?tls=false"),
		unchanged("tls if the server has it", "mysql://user:password@host/name?tls=preferred"),
		unchanged("no parameters after all", "mysql://user:password@host/name?"),

		badDatabase("another database", "postgres://x", `"postgres://x"`, anyDatabase+". Hint: "+sqliteFile),
		badDatabase("another database with a password", "postgres://u:hunter2@x/y", `"postgres://u:xxxxx@x/y"`, anyDatabase+". Hint: "+sqliteFile),
		badDatabase("a file without a scheme", "fieldgate.db", `"fieldgate.db"`, anyDatabase+". Hint: "+sqliteFile),
		badDatabase("a single slash", "sqlite:/fieldgate.db", `(not shown)`, anyDatabase+". Hint: "+sqliteFile),
		badDatabase("no file", "sqlite://", `"sqlite://"`, "sqlite://FILE, with the name of a file. Hint: "+sqliteFile),
		badDatabase("a folder", "sqlite:///var/lib/", `"sqlite:///var/lib/"`, "sqlite://FILE, with the name of a file. Hint: "+sqliteFile),
		badDatabase("this folder", "sqlite://.", `"sqlite://."`, "sqlite://FILE, with the name of a file. Hint: "+sqliteFile),
		badDatabase("the folder above", "sqlite://..", `"sqlite://.."`, "sqlite://FILE, with the name of a file. Hint: "+sqliteFile),
		badDatabase("a database in memory", "sqlite://:memory:", `"sqlite://:memory:"`, "a database file. Hint: "+inMemory),
		badDatabase("a disguised database in memory", "sqlite://file::memory:?cache=shared", `"sqlite://file::memory:?cache=shared"`, "a database file. Hint: "+inMemory),
		badDatabase("a file with parameters", "sqlite://a.db?mode=ro", `"sqlite://a.db?mode=ro"`, "sqlite://FILE without parameters. Hint: the server sets SQLite's options itself"),

		badDatabase("no user", "mysql://host/name", `"mysql://host/name"`, aUser),
		badDatabase("no user but a password", "mysql://:hunter2@host/name", `"mysql://:xxxxx@host/name"`, aUser),
		badDatabase("no host", "mysql://u:hunter2@/name", `"mysql://u:xxxxx@/name"`, aHost),
		badDatabase("a port without a host", "mysql://u:hunter2@:3306/name", `"mysql://u:xxxxx@:3306/name"`, aHost),
		badDatabase("a colon without a port", "mysql://u:hunter2@host:/name", `"mysql://u:xxxxx@host:/name"`, aHost),
		badDatabase("port 0", "mysql://u:hunter2@host:0/name", `"mysql://u:xxxxx@host:0/name"`, aHost),
		badDatabase("a port that is too high", "mysql://u:hunter2@host:65536/name", `"mysql://u:xxxxx@host:65536/name"`, aHost),
		badDatabase("no database", "mysql://u:hunter2@host:3306", `"mysql://u:xxxxx@host:3306"`, aName),
		badDatabase("an empty database", "mysql://u:hunter2@host:3306/", `"mysql://u:xxxxx@host:3306/"`, aName),
		badDatabase("a path", "mysql://u:hunter2@host/a/b", `"mysql://u:xxxxx@host/a/b"`, aName),
		badDatabase("a fragment", "mysql://u:hunter2@host/name#a", `"mysql://u:xxxxx@host/name?…"`, anyDatabase+". Hint: in a user or password write # as %23"),
		badDatabase("an unknown parameter", "mysql://u:hunter2@host/name?charset=latin1", `"mysql://u:xxxxx@host/name?…"`, `no parameter except tls, got "charset". Hint: `+ownOptions),
		badDatabase("an unknown parameter beside tls", "mysql://u:hunter2@host/name?tls=true&charset=a%0Ab", `"mysql://u:xxxxx@host/name?…"`, `no parameter except tls, got "charset". Hint: `+ownOptions),
		badDatabase("a password as a parameter", "mysql://u@host/name?tls=true&password=a&hunter2&b=c", `"mysql://u@host/name?…"`, `no parameter except tls, got "password". Hint: `+ownOptions),
		badDatabase("an unknown tls", "mysql://u:hunter2@host/name?tls=yes", `"mysql://u:xxxxx@host/name?…"`, tlsMode),
		badDatabase("an empty tls", "mysql://u:hunter2@host/name?tls=", `"mysql://u:xxxxx@host/name?…"`, tlsMode),
		badDatabase("tls twice", "mysql://u:hunter2@host/name?tls=true&tls=true", `"mysql://u:xxxxx@host/name?…"`, tlsMode),
		badDatabase("malformed parameters", "mysql://u:hunter2@host/name?tls=%zz", `"mysql://u:xxxxx@host/name?…"`, "parameters of the form ?tls=true. Hint: "+tlsHint),
		badDatabase("the driver's own notation", "u:hunter2@tcp(host:3306)/name", "(not shown)", anyDatabase+". Hint: "+sqliteFile),
		badDatabase("the driver's own notation after the scheme", "mysql://u:hunter2@tcp(host:3306)/name", `"mysql://…"`, anyDatabase+". Hint: "+escape),
		badDatabase("a slash in the password", "mysql://u:12/hunter2@host/name", `"mysql://…"`, anyDatabase+". Hint: "+escape),
		badDatabase("a question mark in the password", "mysql://u:12?hunter2@host/name", `"mysql://…"`, anyDatabase+". Hint: "+escape),
		badDatabase("a hash in the password", "mysql://u:12#hunter2@host/name", `"mysql://…"`, anyDatabase+". Hint: "+escape),
		badDatabase("an @ and a slash in the password", "mysql://u:12@hun/ter2@host/name", `"mysql://…"`, anyDatabase+". Hint: "+escape),
		badDatabase("an @ in the password and no host", "mysql://u:12@hunter2!x/name", `"mysql://…"`, aHost),
		badDatabase("a percent sign in the password", "mysql://u:%zz@host/name", `"mysql://…"`, anyDatabase+". Hint: "+escape),
		badDatabase("a user and a password, but no host", "mysql://u:1234/name", `"mysql://u:…"`, aUser),
	},
}

func TestDatabaseExplicit(t *testing.T) {
	for value, want := range map[string]bool{"": false, " ": false, "sqlite://fieldgate.db": true} {
		c, err := Load(env{"DATABASE_URL": value}.lookup)
		if err != nil || c.DatabaseExplicit != want {
			t.Errorf("%q: got %v, error %v, want %v", value, c.DatabaseExplicit, err, want)
		}
	}
}

// No error contains a password, whatever it is made of and wherever it stands in the value.
func TestErrorsNeverShowDatabasePassword(t *testing.T) {
	templates := []string{
		"mysql://u:%s@h/n?x=1", "mysql://u:%s@h", "mysql://u:%s@", "mysql://u:%s", "mysql://u:%s/n", "mysql://u:12%s@h/",
		"u:%s@tcp(h:3306)/n", "u:%s", "mysql:u:%s@h/n", "mysql:/u:%s@h/n", "postgres://u:%s@h/n", "sqlite://u:%s@h/n",
		"u:%s@mysql://h/n", "mysql://u@h/n?password=%s", "mysql://:%s@h/n", "MYSQL://u:%s@h/n", "mysql://u:\n%s@h/n?x=1",
	}
	random := rand.NewChaCha8([32]byte{})
	withoutHost := regexp.MustCompile(`%s($|/)`)
	for _, variable := range []string{"DATABASE_URL", "PUBLIC_URL"} {
		for _, template := range templates {
			if variable == "PUBLIC_URL" && !strings.Contains(template, "@") {
				continue // a PUBLIC_URL has no place for a password without an @
			}
			t.Run(variable+" "+template, func(t *testing.T) {
				for range 40 {
					for _, password := range randomSecrets(random) {
						if withoutHost.MatchString(template) {
							// A host name after an @ is not recognized as part of a password.
							password = strings.ReplaceAll(password, "@", "!")
						}
						_, err := Load(env{variable: fmt.Sprintf(template, password)}.lookup)
						// No substring of 6 bytes may be shown either.
						for i := range len(password) - 6 {
							if part := password[i : i+6]; strings.Contains(errorText(err), part) {
								t.Fatalf("%q of %q is in the error: %v", part, password, err)
							}
						}
					}
				}
			})
		}
	}
}
