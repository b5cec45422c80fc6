// Package mail makes messages from templates and hands them to an SMTP server,
// or to the inbox of a development server.
//
// It decides nothing about when a message is sent, or again: a Transport tries
// once, and its errors say what is known about that try.
package mail

import (
	"context"
	"time"
)

// Kind names a template.
type Kind string

// The kinds of messages, by what happened. The comment says who gets it, and
// what the link does; all of them may use Service and AppURL of Data.
const (
	// VerifyEmail goes to the address of a new account; the link shows that mail
	// reaches its owner. Link, Hours.
	VerifyEmail Kind = "verify-email"
	// ConfirmEmail goes to the new address of a change, which the link puts into
	// force. Link, Hours, Account.
	ConfirmEmail Kind = "confirm-email"
	// EmailChangeRequested goes to the old address, when somebody who is signed in
	// and knew the password asked for another; the link stops that. Link, Hours, NewEmail.
	EmailChangeRequested Kind = "email-change-requested"
	// EmailChanged goes to the old address after a change, which the link takes
	// back. Link, Hours, NewEmail.
	EmailChanged Kind = "email-changed"
	// EmailRestored goes to the old address after a change was taken back:
	// everybody was signed out, and the link chooses a new password. Link, Hours.
	EmailRestored Kind = "email-restored"
	// EmailTaken goes to an address that has an account, when somebody with another
	// account wanted to move to it. It is a notice: there is no link.
	EmailTaken Kind = "email-taken"
	// ResetPassword goes to the address of an account; the link chooses a new
	// password. Link, Hours.
	ResetPassword Kind = "reset-password"
	// AlreadyRegistered goes to an address that has an account, when somebody
	// registered with it; the link chooses a new password. Link, Hours.
	AlreadyRegistered Kind = "already-registered"
	// AddressNotFree goes to an address that somebody registered with, when it has
	// an account that is shut, or had one that may take it back still. It is a
	// notice: there is no link.
	AddressNotFree Kind = "address-not-free"
	// PasswordChanged goes to the address of an account whose password was changed.
	// It is a notice: there is no link.
	PasswordChanged Kind = "password-changed"
	// AccountDeleted goes to the address that an account had, when it was deleted.
	// It is a notice: there is no link.
	AccountDeleted Kind = "account-deleted"
	// NewSignIn goes to the address of an account that was signed in to from a device or
	// network that it does not trust. It is a notice: there is no link.
	NewSignIn Kind = "new-sign-in"
	// RoleChanged goes to the address of an account whose role was changed, which is
	// Detail. It is a notice: there is no link.
	RoleChanged Kind = "role-changed"
	// FailedSignIns goes to the address of an account with many failed attempts, whose
	// number is Detail. It is a notice: there is no link.
	FailedSignIns Kind = "failed-sign-ins"
)

// Kinds are all kinds.
var Kinds = []Kind{
	VerifyEmail, ConfirmEmail, EmailChangeRequested, EmailChanged, EmailRestored,
	EmailTaken, ResetPassword, AlreadyRegistered, AddressNotFree, PasswordChanged, AccountDeleted,
	NewSignIn, RoleChanged, FailedSignIns,
}

// isNotice reports whether messages of the kind have no link.
func (k Kind) isNotice() bool {
	switch k {
	case EmailTaken, AddressNotFree, PasswordChanged, AccountDeleted, NewSignIn, RoleChanged, FailedSignIns:
		return true
	}
	return false
}

// Data is what a template may say. There is no name of a person in it: names
// are typed by somebody who has proven nothing, and a message that repeats them
// to any address is a way to send spam.
type Data struct {
	Service  string // what the server calls itself
	AppURL   string // where its pages are
	Link     string // "" for a notice
	Hours    int    // how long Link works
	At       string // when it was caused, in UTC
	Network  string // from where, roughly, as in 203.0.113.0/24; "" if that is unknown or not told
	NewEmail string // for EmailChangeRequested and EmailChanged; "" for an address that was never verified
	Detail   string // the role for RoleChanged, the number of attempts for FailedSignIns
	Account  string // for ConfirmEmail: the account that asked, as m•••@e•••.example
}

// Message is ready to be sent.
type Message struct {
	ID       string // becomes the Message-ID, together with the host of the sender's address: letters, digits, - . _
	To       string // an address, without a name
	Subject  string
	Text     string // lines end with \n
	HTML     string
	Link     string // the one in Text and HTML, "" for a notice
	Language string // one of Templates.Languages
}

// Transport is where mail goes.
type Transport interface {
	// Connect makes a connection that messages can be sent on. An error says that
	// no message was tried.
	Connect(ctx context.Context) (Conn, error)
}

// Conn takes messages, one at a time: it is not for use by several goroutines.
type Conn interface {
	// Send returns nil when the message was taken, and a *Refused when it was not,
	// which leaves the connection as it was. After any other error the connection
	// is gone, and nobody knows whether the message was taken. When ctx ends, so
	// does Send, at once.
	Send(ctx context.Context, m *Message) error
	// Close says goodbye. It takes a few seconds at most, whatever the server does.
	Close() error
}

// RefusedError says that a message was not taken, while the connection goes on: the
// server said so, or it was not asked, since the message can never be sent.
type RefusedError struct {
	Permanent bool   // trying again is of no use
	Reason    string // one line: the server's, with its code, as in "550 5.1.1 no such user"
}

// Error implements error.
func (r *RefusedError) Error() string { return "the message was refused: " + r.Reason }

// Received is a message that an Inbox has taken.
type Received struct {
	Message
	At time.Time
	N  int // counts from 1, also over messages that the inbox has forgotten
}
