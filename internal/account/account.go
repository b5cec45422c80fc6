// Package account is what a person may do: register, sign in, recover, change a profile, leave, look at accounts.
//
// It knows no HTTP, no GraphQL and no SQL. Whether somebody may do a thing is decided before it is called,
// by the schema's rules; what it decides is whether the values are good and what then happens. It is the
// only package that knows bcrypt.
//
// Errors that callers act on are those of this package (*InputError, *Overloaded, *ProofRequiredError, ErrInvalidCredentials,
// ErrInvalidToken, ErrEmailNotVerified) and
// those of models. Anything else is unexpected.
package account

import (
	"errors"
	"log/slog"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/hook"
	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

var (
	// ErrInvalidCredentials is the one answer to a sign-in that fails, whatever was wrong, and to a wrong
	// password of somebody who is signed in.
	ErrInvalidCredentials = errors.New("the e-mail address or the password is wrong")
	// ErrInvalidToken is the one answer to a token that is good for nothing, for whatever reason.
	ErrInvalidToken = errors.New("the token is unknown, used or expired")
	// ErrEmailNotVerified is the answer to somebody who would be signed in, had they shown that mail reaches them;
	// and, where that is required, the one answer to a registration, whether or not there was an account.
	ErrEmailNotVerified = errors.New("open the link in the mail that was sent to this address")
)

// Config is what a Service is made of. Every field is needed but Mail, Hooks and Counted.
type Config struct {
	Store     *models.Store
	Sessions  *auth.Sessions
	Tokens    *auth.Tokens
	Passwords *Passwords
	Policy    *policy.Policy
	Log       *slog.Logger
	Mail      *mail.Templates // nil: no mail is sent

	Hooks hook.Hooks // of the product

	OnEvent func(event string) // is told of each of Events, once it is written down; nil: nobody is

	SecurityNoticesOff   bool // no mail tells the owner of an account of a new sign-in, a new role or its deletion
	RequireVerifiedEmail bool // nobody signs in before they have shown that mail reaches them

	PasswordMinLength int           // characters
	Breached          Breached      // nil: none is known
	Product           string        // what the service calls itself, which is no password; empty: nothing else
	RefreshTokenTTL   time.Duration // how long a session lives unless it is refreshed
	RememberMeTTL     time.Duration // the same, for a person who asked to be remembered
	SessionMaxAge     time.Duration // how long it lives at the most
	UnverifiedTTL     time.Duration // how long an account is kept that was never verified and never opened a session
}

// Service does what people ask. It is safe for use by many goroutines.
type Service struct{ config Config }

// New returns a service; it owns nothing that c brings.
func New(c Config) *Service { return &Service{c} }
