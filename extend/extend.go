// Package extend is how a product adds features to Fieldgate without a change of Fieldgate's files.
//
// A feature is a package below app/. Its constructor makes a service and registers what the feature keeps in the
// database, and the hooks that it wants to be called at:
//
//	func New(r *extend.Registry) *Service {
//		s := &Service{store: r.Store}
//		r.Add(extend.Feature{
//			Name:       "notes",
//			Migrations: migrations,
//			Tables:     []models.Table{{Row: &Note{}, Indexes: []string{"author_id,id"}}},
//			Hooks:      extend.Hooks{UserDeleted: s.deleteOf},
//		})
//		return s
//	}
//
// app.New calls it and keeps the service, which resolvers reach as r.App.Notes. docs/extend.md goes through a whole
// feature, and examples/notes is one.
package extend

import (
	"context"
	"io/fs"
	"log/slog"
	"time"

	"fieldgate/models"
)

// Registry is what app.New gets: what services are made of, and where features are registered.
type Registry struct {
	// Store is the database. It cannot be asked before app.New has returned.
	Store *models.Store
	// Log is the server's log.
	Log *slog.Logger

	features []Feature
}

// Add registers a feature. A mistake in it stops the start.
func (r *Registry) Add(f Feature) { r.features = append(r.features, f) }

// Features returns what was added, in that order, in which hooks are called too.
func (r *Registry) Features() []Feature { return r.features }

// Feature is one part of a product.
type Feature struct {
	// Name names the table in which the versions of the migrations are kept, goose_db_version_NAME: lower-case
	// letters, digits and single underscores, at most 40. It is the name of the feature's folder, and stays: a feature with
	// another name is another one, and would migrate anew.
	Name string
	// Migrations has the folders migrations/mysql and migrations/sqlite, with the same numbered files in both: what
	// "//go:embed migrations" embeds. Numbers start at 1 in every feature. They are applied with Fieldgate's own, after those and under the same lock. nil: the feature has no tables.
	Migrations fs.FS
	// Tables are the row types whose tables the migrations make. A test compares both.
	Tables []models.Table
	// Hooks are called when something happens to accounts.
	Hooks Hooks
}

// Deadline is the time that BeforeRegister and BeforeSignIn have. Later the client gets UNAVAILABLE, and the hook is not
// waited for.
const Deadline = 2 * time.Second

// Hooks are functions of a product that Fieldgate calls. nil is not called. Hooks of several features are called in the order
// in which the features were added; the first error ends it.
//
// An error made by package fgerr reaches the client as it is. Every other error, and a panic, is masked as INTERNAL and
// logged once. Whatever the error, what was asked for has not happened.
type Hooks struct {
	// BeforeRegister may refuse a registration, usually with fgerr.InvalidInput. It is called when the input is valid and the
	// password hashed, before anything is written and outside of a transaction, and has Deadline. It is not told whether
	// the address has an account, so that its answer cannot tell either. Accounts that are made on the command line do not
	// pass here.
	BeforeRegister func(ctx context.Context, r Registration) error

	// BeforeSignIn may refuse a sign-in whose password was right. It is called outside of a transaction and has Deadline.
	// A refusal that is made by package fgerr is written into the audit log as "sign-in failed", with the detail "refused". It is
	// not called at a registration that opens a session, and not at a refresh. Nothing may be changed in user.
	BeforeSignIn func(ctx context.Context, user *models.User) error

	// AfterEvent is called with each entry of the audit log, inside the transaction that writes the entry and what it says. An
	// error rolls all of it back. It has no effect but on tx, and may run again, in a new transaction, when the database gives
	// the first one up. "unknown token" is counted and not written each time, and does not come here.
	//
	// "sign-in failed" comes with and without a user, and where REQUIRE_VERIFIED_EMAIL is set, a registration is "registered" or
	// "already registered". Do the same work for all of these: its time must not tell whether an address has an account.
	AfterEvent func(ctx context.Context, tx *models.Store, e Event) error

	// UserDeleted is called inside the transaction that deletes a user, after the user's row is gone: by the user, an ADMIN,
	// the command line, or because the account was never used. An error keeps the user. The same is true of it as of
	// AfterEvent. A feature with a row type that has OwnerID needs one: there are no foreign keys.
	UserDeleted func(ctx context.Context, tx *models.Store, user *models.User) error
}

// Registration is what a person who registers has entered, but for the password.
type Registration struct {
	Name  string
	Email string // as typed
}

// Event is an entry of the audit log. Its names and details are those of docs/reference/logs.md.
type Event struct {
	ID        string // of the entry: a UUIDv7
	Name      string // "registered", "sign-in", "role changed"
	Detail    string // the reason, the role or the number of sessions; "" if there is none
	UserID    string // the account; "" if no account has the address that was tried
	ActorID   string // the signed-in user; "" for an anonymous request and on the command line
	SessionID string
	At        time.Time
}
