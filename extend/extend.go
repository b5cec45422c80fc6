// Package extend adds the features of a product to Fieldgate without a change to Fieldgate's files.
//
// A feature is a package below app/. Its constructor creates a service, and registers the feature's
// tables, migrations and hooks:
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
// app.New calls it and keeps the service, which resolvers use as r.App.Notes. docs/extend.md is the
// guide, and examples/notes a complete feature.
package extend

import (
	"context"
	"io/fs"
	"log/slog"
	"time"

	"fieldgate/models"
)

// Registry is the argument of app.New. It provides what services need, and collects the features.
type Registry struct {
	// Store is the database. It cannot be used before app.New has returned.
	Store *models.Store
	// Log is the server's log.
	Log *slog.Logger

	features []Feature
}

// Add registers a feature. An invalid feature stops the start.
func (r *Registry) Add(f Feature) { r.features = append(r.features, f) }

// Features returns the features in the order of Add. Hooks are called in the same order.
func (r *Registry) Features() []Feature { return r.features }

// Feature is one part of a product.
type Feature struct {
	// Name is the name of the feature's folder: lower-case letters, digits and single underscores,
	// at most 40 characters. The table goose_db_version_NAME keeps the versions of its migrations.
	// Do not change the name: the server would run all migrations again.
	Name string
	// Migrations has the folders migrations/mysql and migrations/sqlite, as "//go:embed migrations"
	// embeds them, with the same numbered files in both. Numbers start at 1 in every feature. They
	// run after Fieldgate's own migrations and under the same lock. It is nil for a feature without
	// tables.
	Migrations fs.FS
	// Tables are the row types of the tables that the migrations create. A test compares both.
	Tables []models.Table
	// Hooks are called on events of accounts.
	Hooks Hooks
}

// Deadline is the time limit of BeforeRegister and BeforeSignIn. After it the client gets
// UNAVAILABLE, and the server does not wait for the hook.
const Deadline = 2 * time.Second

// Hooks are functions of a product that Fieldgate calls. A nil function is skipped. The hooks of
// several features are called in the order of Add, until the first error.
//
// An error of package fgerr reaches the client as it is. Every other error, and a panic, is masked
// as INTERNAL and logged once. After any error, the requested change has not happened.
type Hooks struct {
	// BeforeRegister may reject a registration, usually with fgerr.InvalidInput. It is called after
	// the input is validated and the password hashed, before anything is written, outside of a
	// transaction and with Deadline. It does not learn whether the address has an account, so its
	// result cannot reveal that. It is not called for accounts created on the command line.
	BeforeRegister func(ctx context.Context, r Registration) error

	// BeforeSignIn may reject a sign-in with the right password. It is called outside of a
	// transaction and with Deadline. If it returns an error of package fgerr, the audit log records
	// "sign-in failed" with the detail "refused". It is not called for a registration that opens a
	// session, and not for a refresh. It must not change user.
	BeforeSignIn func(ctx context.Context, user *models.User) error

	// AfterEvent is called for each entry of the audit log, in the transaction that writes the
	// entry and its change. An error rolls the transaction back. AfterEvent must have no effects
	// outside of tx: it may run again in a new transaction after a conflict. It is not called for
	// "unknown token", which is counted and not written each time.
	//
	// "sign-in failed" occurs with and without a user. With REQUIRE_VERIFIED_EMAIL, a registration
	// is "registered" or "already registered". Do the same work for all of these, because its
	// duration must not reveal whether an address has an account.
	AfterEvent func(ctx context.Context, tx *models.Store, e Event) error

	// UserDeleted is called in the transaction that deletes a user, after the user's row is
	// deleted. The deletion may come from the user, an ADMIN, the command line or the cleanup of
	// unused accounts. An error keeps the user. It follows the rules of AfterEvent. A feature with
	// a row type that has OwnerID needs it, because the tables have no foreign keys.
	UserDeleted func(ctx context.Context, tx *models.Store, user *models.User) error
}

// Registration is the input of a registration, without the password.
type Registration struct {
	Name  string
	Email string // as typed
}

// Event is an entry of the audit log. docs/reference/logs.md lists the names and details.
type Event struct {
	ID        string // a UUIDv7
	Name      string // "registered", "sign-in", "role changed"
	Detail    string // the reason, the role or the number of sessions; "" if there is none
	UserID    string // the account; "" if no account has the address of a failed sign-in
	ActorID   string // the signed-in user; "" for an anonymous request and on the command line
	SessionID string
	At        time.Time
}
