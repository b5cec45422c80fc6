package config

import (
	"net/url"
	"slices"
	"strings"
)

const (
	databaseURLs = "sqlite://FILE or mysql://USER:PASSWORD@HOST:PORT/NAME"
	sqliteHint   = "sqlite://fieldgate.db is a file in the working directory, sqlite:///var/lib/fieldgate.db an absolute path"
)

func parseDatabaseURL(c *Config, value string) *valueError {
	invalid := &valueError{databaseURLs, sqliteHint}
	if path, ok := strings.CutPrefix(value, "sqlite://"); ok {
		invalid = checkSQLite(path)
	} else if rest, ok := strings.CutPrefix(value, "mysql://"); ok {
		invalid = checkMySQL(value, rest)
	}
	if invalid == nil {
		c.DatabaseURL = value
	}
	return invalid
}

// checkSQLite checks the path, which is used as written: %XX is not decoded.
func checkSQLite(path string) *valueError {
	switch {
	case strings.Contains(path, ":memory:"):
		return &valueError{"a database file", "an in-memory database is lost at each restart: " + sqliteHint}
	case strings.Contains(path, "?"):
		return &valueError{"sqlite://FILE without parameters", "the server sets SQLite's options itself"}
	case path == "" || path == "." || path == ".." || strings.HasSuffix(path, "/"):
		return &valueError{"sqlite://FILE, with the name of a file", sqliteHint}
	}
	return nil
}

// DatabaseUnencrypted reports whether the connection to the database crosses the network without
// encryption. It also reports true for tls=preferred, which encrypts only if the server offers it.
func (c *Config) DatabaseUnencrypted() bool {
	u, err := url.Parse(c.DatabaseURL)
	if err != nil || u.Scheme != "mysql" {
		return false
	}
	mode := u.Query().Get("tls")
	return mode != "true" && mode != "skip-verify"
}

// tlsModes are the values of the parameter tls, as the MySQL driver defines them.
var tlsModes = []string{"true", "false", "skip-verify", "preferred"}

func checkMySQL(value, rest string) *valueError {
	u, err := url.Parse(value)
	if err != nil || hasStrayAt(rest) {
		return &valueError{
			databaseURLs,
			"in a user or password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25",
		}
	}
	name := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.User.Username() == "":
		return &valueError{
			"mysql://USER:PASSWORD@HOST:PORT/NAME, with a user",
			"mysql://fieldgate:PASSWORD@localhost:3306/fieldgate",
		}
	case !validURLHost(u):
		return &valueError{
			"mysql://USER:PASSWORD@HOST:PORT/NAME, with a host",
			"the host is a name or an address, as in localhost:3306; without a port it is 3306",
		}
	case name == "" || strings.Contains(name, "/"):
		return &valueError{
			"mysql://USER:PASSWORD@HOST:PORT/NAME, with one database name",
			"create it first: CREATE DATABASE fieldgate",
		}
	case u.Fragment != "":
		return &valueError{databaseURLs, "in a user or password write # as %23"}
	}
	return checkMySQLParameters(u.RawQuery)
}

func checkMySQLParameters(query string) *valueError {
	const hint = "mysql://…/NAME?tls=true encrypts the connection and checks the server's certificate"
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return &valueError{"parameters of the form ?tls=true", hint}
	}
	// Check in the order of the query: only the first name is certain to be a name. A later one may
	// be part of a password that contains an &.
	for parameter := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(parameter, "="); name != "tls" && parameter != "" {
			return &valueError{
				"no parameter except tls, got " + quote(name),
				"the server sets the character set, the time zone and the timeouts itself",
			}
		}
	}
	if modes, ok := parameters["tls"]; ok && (len(modes) != 1 || !slices.Contains(tlsModes, modes[0])) {
		return &valueError{"one tls parameter: " + joinOr(tlsModes), hint}
	}
	return nil
}
