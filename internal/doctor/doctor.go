// Package doctor checks a configuration and what the server depends on.
//
// It does no I/O. The input is a Snapshot, and the output has at least one Finding for each check.
// No finding shows a secret.
//
//	findings := doctor.Check(doctor.Snapshot{Config: cfg, …})
//	if doctor.Worst(findings) == doctor.Problem { … }
package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"fieldgate/internal/config"
	"fieldgate/models"
)

// Level is the severity of a finding.
type Level string

// The levels, from the best to the worst.
const (
	OK      Level = "ok"      // nothing to do
	Note    Level = "note"    // worth knowing, and possibly intended
	Warning Level = "warning" // will cause a failure one day, or helps attackers
	Problem Level = "problem" // must be fixed
)

var levels = []Level{OK, Note, Warning, Problem}

// Finding is the result of one check.
type Finding struct {
	ID      string `json:"id"` // stable, for machines
	Level   Level  `json:"level"`
	Message string `json:"seen"`         // never contains a secret
	Fix     string `json:"do,omitempty"` // what to do; empty if nothing is
}

// Worst returns the worst level of findings, or OK if there are none.
func Worst(findings []Finding) Level {
	worst := 0
	for _, f := range findings {
		worst = max(worst, slices.Index(levels, f.Level))
	}
	return levels[worst]
}

// Count returns how many findings are of a level.
func Count(findings []Finding, level Level) (n int) {
	for _, f := range findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// Snapshot is what is known about a configuration and its environment. Zero fields are not checked.
type Snapshot struct {
	Config    *config.Config // nil if the configuration is invalid: then only ConfigErr is reported
	ConfigErr error

	UnknownVariables []config.UnknownVariable // set, not read, and probably misspelled

	KeyFiles []KeyFile
	// DevelopmentKey is the use of the key that a development server creates beside the SQLite
	// file.
	DevelopmentKey KeyUse

	Breached *BreachedFile // nil if BREACHED_PASSWORDS is not set

	TemplatesErr error // the error of the mail templates

	Mail *Result // of a sign-in to the mail server; nil if it was not tried

	Database Database

	HashTime time.Duration // processor time of one password hash; 0 if not measured
	Machine  Machine
}

// KeyFile is a file with a private key.
type KeyFile struct {
	Name string
	Mode fs.FileMode
	Err  error // why the key cannot be used
}

// BreachedFile is the file of BREACHED_PASSWORDS.
type BreachedFile struct {
	Passwords int64
	Err       error // why it cannot be used
}

// KeyUse says how the key beside a SQLite file is used.
type KeyUse string

const (
	// Values of KeyUse.
	KeyAbsent  KeyUse = ""           // no key, or no SQLite file
	KeyUnused  KeyUse = "unused"     // the server uses another key
	KeySigning KeyUse = "is the key" // the configuration names the same key
)

// Result is the outcome of an attempt.
type Result struct{ Err error }

// Database is what is known about the database.
type Database struct {
	Err        error              // it cannot be opened, or does not answer
	IsNew      bool               // the SQLite file does not exist yet
	Inspection *models.Inspection // nil with Err or IsNew

	// HasAdmin reports whether an enabled account has the role ADMIN. It is checked if there is an
	// Inspection without pending migrations.
	HasAdmin bool
	AdminErr error // the check of HasAdmin failed

	// SignIns are the addresses of the newest sign-ins, including failed ones. It is not checked
	// without any.
	SignIns models.AddressCounts
}

// Machine is what the server runs on.
type Machine struct {
	Processors    int     // of the system
	Threads       int     // that hash passwords
	Quota         float64 // processors that the container's cgroup allows; 0: all
	Memory        int64   // bytes that the cgroup allows; 0: all
	HasGoMemLimit bool    // GOMEMLIMIT is set
}

// Check checks everything that is known. The findings are in the order of the sections of
// docs/operations.md, with at least one per check.
func Check(f Snapshot) []Finding {
	if f.Config == nil {
		return configurationErrors(f.ConfigErr)
	}
	r := &report{}
	for _, check := range []func(*report, Snapshot){
		environment, unknownVariables, secrets, keyFiles, developmentKey, factorKeys, pepper, hashing, breachedPasswords,
		publicURL, corsOrigins, cookies, proxies, signIns, mail, surface, metricsAddr,
		database, administrators, machine,
	} {
		check(r, f)
	}
	return r.findings
}

// configurationErrors returns one finding for each error of config.Load, or one for an unreadable
// settings file.
func configurationErrors(err error) []Finding {
	r := &report{}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, err := range list {
		if u, ok := errors.AsType[config.UnknownVariable](err); ok {
			r.addUnknown(u)
			continue
		}
		one, ok := errors.AsType[*config.Error](err)
		if !ok {
			r.add("configuration", Problem, err.Error(), "see docs/operations.md")
			continue
		}
		hint := one.Hint
		withoutHint := *one
		withoutHint.Hint = ""
		r.add("configuration", Problem, withoutHint.Error(), hint)
	}
	r.add("configuration", Note, "all other checks need a valid configuration", "")
	return r.findings
}

// report collects findings.
type report struct{ findings []Finding }

func (r *report) add(id string, level Level, message, fix string) {
	r.findings = append(r.findings, Finding{ID: id, Level: level, Message: message, Fix: fix})
}

func (r *report) ok(id, format string, args ...any) { r.add(id, OK, fmt.Sprintf(format, args...), "") }

// productionLevel returns level for a production server, and Note in development.
func productionLevel(f Snapshot, level Level) Level {
	if f.Config.Production {
		return level
	}
	return Note
}

func unknownVariables(r *report, f Snapshot) {
	for _, u := range f.UnknownVariables {
		r.addUnknown(u)
	}
}

func (r *report) addUnknown(u config.UnknownVariable) {
	r.add(
		"configuration.unknown", Warning,
		u.Name+" is set, but is not a Fieldgate variable",
		"rename it to "+u.Suggestion+", if that was meant",
	)
}

func environment(r *report, f Snapshot) {
	if f.Config.Production {
		r.ok("environment", "production")
		return
	}
	r.add("environment", Note,
		"development: every client that reaches the server has the playground, introspection and hints in errors",
		"set ENV=production on a server that others can reach")
}
