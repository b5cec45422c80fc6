// Package account implements what users do with accounts: register, sign in, recover, edit a
// profile, delete an account, list accounts.
//
// It knows no HTTP, no GraphQL and no SQL. The schema's rules authorize a call before it reaches
// this package, which validates the values and carries out the operation. No other package uses
// bcrypt.
//
// Callers handle the errors of this package (*InputError, *OverloadedError, *ProofRequiredError,
// ErrInvalidCredentials, ErrInvalidToken, ErrEmailNotVerified and others) and those of models. Any
// other error is unexpected.
package account

import (
	"errors"
	"log/slog"
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/hook"
	"fieldgate/internal/keyring"
	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

var (
	// ErrInvalidCredentials is the only error of a failed sign-in, whatever was wrong. It is also
	// the error of a wrong password of a signed-in user.
	ErrInvalidCredentials = errors.New("the e-mail address or the password is wrong")
	// ErrInvalidToken is the only error of a token that cannot be used, whatever the reason.
	ErrInvalidToken = errors.New("the token is unknown, used or expired")
	// ErrEmailNotVerified is the error of a sign-in with the right password to an account whose
	// address is not verified. Where verification is required, it is also the only error of a
	// registration, whether or not the address has an account.
	ErrEmailNotVerified = errors.New("verify the e-mail address: open the link in the mail that was sent to it")
)

// Config configures a Service. Mail, Hooks, OnEvent and Breached are optional; so are the fields
// whose zero value means off.
type Config struct {
	Store     *models.Store
	Sessions  *auth.Sessions
	Tokens    *auth.Tokens
	Passwords *Passwords
	Policy    *policy.Policy
	Log       *slog.Logger
	Mail      *mail.Templates // nil: no mail is sent

	Hooks hook.Hooks // of the product's features

	OnEvent func(event string) // called with each of Events after it is committed; nil: not called

	SecurityNoticesOff   bool // no mail to owners about a new sign-in, a new role or a deletion
	RequireVerifiedEmail bool // users cannot sign in before they verify their address

	// FactorKeys encrypt the secrets of second factors. Without keys, no factor can be enrolled or
	// used.
	FactorKeys *keyring.Keyring

	PasswordMinLength int           // characters
	Breached          Breached      // nil: no check against breached passwords
	Product           string        // the service's name, which passwords must not consist of; "": none
	RefreshTokenTTL   time.Duration // session life without a refresh
	RememberMeTTL     time.Duration // the same with rememberMe
	SessionMaxAge     time.Duration // absolute session life
	UnverifiedTTL     time.Duration // life of accounts that were never verified nor used
}

// Service implements account operations. It is safe for concurrent use.
type Service struct{ config Config }

// New returns a Service. The caller remains responsible for closing what c holds.
func New(c Config) *Service { return &Service{c} }
