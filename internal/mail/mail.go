// Package mail renders messages from templates and sends them over SMTP, or keeps them in the inbox
// of a development server.
//
// It does not schedule or retry: a Transport sends once, and its errors say what is known about the
// outcome.
package mail

import (
	"context"
	"time"
)

// Kind is the kind of a message and the name of its template.
type Kind string

// The kinds of messages. Each comment says which address gets the message, what its link does, and
// which fields of Data it uses besides Service and AppURL.
const (
	// VerifyEmail goes to the address of a new account. The link confirms the address. Link, Hours.
	VerifyEmail Kind = "verify-email"
	// ConfirmEmail goes to the new address of a requested change. The link applies the change.
	// Link, Hours, Account.
	ConfirmEmail Kind = "confirm-email"
	// EmailChangeRequested goes to the old address when a signed-in user, with the password,
	// requests a change. The link cancels it. Link, Hours, NewEmail.
	EmailChangeRequested Kind = "email-change-requested"
	// EmailChanged goes to the old address after a change. The link undoes the change. Link, Hours,
	// NewEmail.
	EmailChanged Kind = "email-changed"
	// EmailRestored goes to the old address after a change was undone and all sessions were
	// revoked. The link sets a new password. Link, Hours.
	EmailRestored Kind = "email-restored"
	// EmailTaken goes to an address with an account when another account requests to use it. Notice
	// without a link.
	EmailTaken Kind = "email-taken"
	// ResetPassword goes to the address of an account. The link sets a new password. Link, Hours.
	ResetPassword Kind = "reset-password"
	// AlreadyRegistered goes to an address with an account when a registration uses it. The link
	// sets a new password. Link, Hours.
	AlreadyRegistered Kind = "already-registered"
	// AddressNotFree goes to an address that a registration used, when its account is disabled or a
	// former account can still take it back. Notice without a link.
	AddressNotFree Kind = "address-not-free"
	// PasswordChanged goes to the address of an account whose password was changed. Notice without
	// a link.
	PasswordChanged Kind = "password-changed"
	// AccountDeleted goes to the address of a deleted account. Notice without a link.
	AccountDeleted Kind = "account-deleted"
	// NewSignIn goes to the address of an account after a sign-in from a device or network that it
	// does not trust. Notice without a link.
	NewSignIn Kind = "new-sign-in"
	// RoleChanged goes to the address of an account whose role was changed to Detail. Notice
	// without a link.
	RoleChanged Kind = "role-changed"
	// FailedSignIns goes to the address of an account with many failed attempts. Detail is their
	// number. Notice without a link.
	FailedSignIns Kind = "failed-sign-ins"
	// FactorAdded tells the account's address that a second factor was enrolled. It has no link.
	FactorAdded Kind = "factor-added"
	// FactorRemoved tells the account's address that second factors were removed. It has no link.
	FactorRemoved Kind = "factor-removed"
	// RecoveryCodeUsed tells the account's address that a recovery code was used. Detail is the
	// number of codes left. It has no link.
	RecoveryCodeUsed Kind = "recovery-code-used"
	// WrongCode tells the account's address that a wrong code followed the right password. It has
	// no link.
	WrongCode Kind = "wrong-code"
)

// Kinds lists all kinds.
var Kinds = []Kind{
	VerifyEmail, ConfirmEmail, EmailChangeRequested, EmailChanged, EmailRestored,
	EmailTaken, ResetPassword, AlreadyRegistered, AddressNotFree, PasswordChanged, AccountDeleted,
	NewSignIn, RoleChanged, FailedSignIns,
	FactorAdded, FactorRemoved, RecoveryCodeUsed, WrongCode,
}

// isNotice reports whether messages of the kind have no link.
func (k Kind) isNotice() bool {
	switch k {
	case EmailTaken, AddressNotFree, PasswordChanged, AccountDeleted, NewSignIn, RoleChanged, FailedSignIns,
		FactorAdded, FactorRemoved, RecoveryCodeUsed, WrongCode:
		return true
	}
	return false
}

// Data is the data of a template. It contains no user name: an unverified client chose it, and a
// message that repeats it to any address can be abused to send spam.
type Data struct {
	Service  string // the name of the service
	AppURL   string // the URL of the application
	Link     string // "" for a notice
	Hours    int    // validity of Link, in hours
	At       string // time of the cause, in UTC
	Network  string // network of the cause, as in 203.0.113.0/24; "" if unknown or withheld
	NewEmail string // for EmailChangeRequested and EmailChanged; "" if never verified
	Detail   string // a role or a number: see the kinds
	Account  string // for ConfirmEmail: the requesting account, as m•••@e•••.example
}

// Message is a message to send.
type Message struct {
	ID       string // part of the Message-ID before the sender's host: letters, digits, - . _
	To       string // an address without a name
	Subject  string
	Text     string // lines end with \n
	HTML     string
	Link     string // the link in Text and HTML; "" for a notice
	Language string // one of Templates.Languages
}

// Transport connects to the receiver of messages.
type Transport interface {
	// Connect opens a connection for messages. On an error no message was sent.
	Connect(ctx context.Context) (Conn, error)
}

// Conn sends messages, one at a time. It is not safe for concurrent use.
type Conn interface {
	// Send returns nil if the message was accepted. It returns a *RefusedError if the message was
	// refused; the connection is then unchanged. After any other error the connection is closed,
	// and whether the message was accepted is unknown. Send returns as soon as ctx is done.
	Send(ctx context.Context, m *Message) error
	// Close ends the connection. It takes a few seconds at most, even if the server does not
	// answer.
	Close() error
}

// RefusedError reports that a message was refused while the connection remains usable. Either the
// server refused it, or it was not sent because it is invalid.
type RefusedError struct {
	Permanent bool   // a retry cannot succeed
	Reason    string // one line: the server's answer with its code, as in "550 5.1.1 no such user"
}

// Error implements error.
func (r *RefusedError) Error() string { return "message refused: " + r.Reason }

// Received is a message in an Inbox.
type Received struct {
	Message
	At time.Time
	N  int // number of the message since the start, from 1
}
