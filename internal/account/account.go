// Package account is what a person may do: register, sign in, change a profile, look at accounts.
//
// It knows no HTTP, no GraphQL and no SQL. Whether somebody may do a thing is decided before it is called,
// by the schema's rules; what it decides is whether the values are good and what then happens. It is the
// only package that knows bcrypt.
//
// Errors that callers act on are those of this package (*InputError, ErrInvalidCredentials, ErrInvalidToken, *Overloaded) and
// those of models. Anything else is unexpected.
package account

import (
	"errors"
	"log/slog"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

var (
	// ErrInvalidCredentials is the one answer to a sign-in that fails, whatever was wrong, and to a wrong
	// password of somebody who is signed in.
	ErrInvalidCredentials = errors.New("the e-mail address or the password is wrong")
	// ErrInvalidToken is the one answer to a refresh token that is good for nothing, for whatever reason.
	ErrInvalidToken = errors.New("the token is unknown, used or expired")
)

// Config is what a Service is made of. Every field is needed.
type Config struct {
	Store     *models.Store
	Sessions  *auth.Sessions
	Tokens    *auth.Tokens
	Passwords *Passwords
	Policy    *policy.Policy
	Log       *slog.Logger

	PasswordMinLength int           // characters
	RefreshTokenTTL   time.Duration // how long a session lives unless it is refreshed
	RememberMeTTL     time.Duration // the same, for a person who asked to be remembered
	SessionMaxAge     time.Duration // how long it lives at the most
}

// Service does what people ask. It is safe for use by many goroutines.
type Service struct{ Config }

// New returns a service; it owns nothing that c brings.
func New(c Config) *Service { return &Service{c} }
