// Package doctor says what should be mended in a configuration and in what the server stands on.
//
// It judges, and asks nobody: what is to be known comes in as Facts, and goes out as one Finding for each thing
// that was looked at. No finding shows a secret.
//
//	findings := doctor.Examine(doctor.Facts{Config: cfg, …})
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

// Level says how much a finding matters.
type Level string

// The levels, from the best to the worst.
const (
	OK      Level = "ok"      // nothing to do
	Note    Level = "note"    // worth knowing, and may well be meant
	Warning Level = "warning" // will hurt one day, or helps whoever attacks
	Problem Level = "problem" // has to be mended
)

var levels = []Level{OK, Note, Warning, Problem}

// Finding is what there is to say of one thing.
type Finding struct {
	ID      string `json:"id"` // stays as it is, for machines
	Level   Level  `json:"level"`
	Message string `json:"seen"`         // never a secret
	Fix     string `json:"do,omitempty"` // empty if there is nothing to do
}

// Worst is the worst level among findings; OK if there are none.
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

// Snapshot are what is known of a configuration and its surroundings. What is left out is not judged.
type Snapshot struct {
	Config    *config.Config // nil: it cannot be read, and ConfigErr says why; then nothing else is judged
	ConfigErr error

	UnknownVariables []config.UnknownVariable // setEnv, and probably misspelled

	KeyFiles []KeyFile
	// DevelopmentKey: beside the SQLite file lies the key that a development server has made there.
	DevelopmentKey KeyUse

	Breached *BreachedFile // nil: BREACHED_PASSWORDS is not set

	TemplatesErr error // what is wrong with the texts of mails

	Mail *Result // whether the mail server lets us in; nil: it was not asked

	Database Database

	HashTime time.Duration // that one password takes of a processor; 0: not measured
	Machine  Machine
}

// KeyFile is a file with a private key.
type KeyFile struct {
	Name string
	Mode fs.FileMode
	Err  error // why there is no key in it for us
}

// BreachedFile is the file of BREACHED_PASSWORDS.
type BreachedFile struct {
	Passwords int64
	Err       error // why it cannot be used
}

// KeyUse says what is known of the key beside a SQLite file.
type KeyUse string

// What can be known of it.
const (
	KeyAbsent  KeyUse = ""           // there is none, or no SQLite file
	KeyUnused  KeyUse = "unused"     // the server has another one
	KeySigning KeyUse = "is the key" // the configuration names the same
)

// Result is the outcome of something that was tried.
type Result struct{ Err error }

// Database is what is known of the database.
type Database struct {
	Err        error              // it cannot be opened, or does not answer
	IsNew      bool               // there is no SQLite file yet: the first start makes it
	Inspection *models.Inspection // nil with Err or New

	// HasAdmin: somebody has an open account that may do everything. It is judged where there is a State without pending
	// migrations.
	HasAdmin bool
	AdminErr error // nobody knows

	// SignIns says from where the newest sign-ins came, also those that failed. Without any it is not judged.
	SignIns models.AddressCounts
}

// Machine is what the server runs on.
type Machine struct {
	Processors    int     // that the system has for us
	Threads       int     // that hash passwords
	Quota         float64 // processors that the container's cgroup allows; 0: all
	Memory        int64   // bytes that the cgroup allows; 0: all
	HasGoMemLimit bool    // GOMEMLIMIT is set
}

// Check judges everything that is known. The findings come in the order of the sections of docs/operations.md; there
// is at least one of each thing that was looked at.
func Check(f Snapshot) []Finding {
	if f.Config == nil {
		return configurationErrors(f.ConfigErr)
	}
	r := &report{}
	for _, check := range []func(*report, Snapshot){
		environment, unknownVariables, secrets, keyFiles, developmentKey, pepper, hashing, breachedPasswords,
		publicURL, corsOrigins, cookies, proxies, signIns, mail, surface, metricsAddr,
		database, administrators, machine,
	} {
		check(r, f)
	}
	return r.findings
}

// configurationErrors are those of config.Load, one a finding, or a .env file that cannot be read.
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
		said := *one
		said.Hint = ""
		r.add("configuration", Problem, said.Error(), hint)
	}
	r.add("configuration", Note, "the rest is looked at when these are mended", "")
	return r.findings
}

// report collects findings.
type report struct{ findings []Finding }

func (r *report) add(id string, level Level, seen, do string) {
	r.findings = append(r.findings, Finding{ID: id, Level: level, Message: seen, Fix: do})
}

func (r *report) ok(id, format string, args ...any) { r.add(id, OK, fmt.Sprintf(format, args...), "") }

// productionLevel is level for a production server, and a note where somebody develops.
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
	r.add("configuration.unknown", Warning, u.Name+" is set, and is not a variable of Fieldgate", "write "+u.Suggestion+", if that was meant")
}

func environment(r *report, f Snapshot) {
	if f.Config.Production {
		r.ok("environment", "production")
		return
	}
	r.add("environment", Note, "development: the playground, introspection and hints in errors are open to whoever reaches the server",
		"ENV=production, for a server that others can reach")
}
