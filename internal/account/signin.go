package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"fieldgate/extend"
	"fieldgate/internal/auth"
	"fieldgate/internal/hook"
	"fieldgate/internal/limit"
	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// SignIn is the result of a sign-in or a refresh.
type SignIn struct {
	Session         *models.Session // with its User
	AccessToken     string
	ExpiresAt       time.Time // of the access token
	RefreshToken    string
	Device          string // for the device cookie; "" for a client without cookies
	CookieUnchanged bool   // the client's refresh cookie is current and is not set again
}

// Registration is the input of a registration.
type Registration struct {
	Name                 string
	Email                string
	Password             string
	PasswordConfirmation *string
	RememberMe           bool
	UsesCookies          bool // the client receives its refresh token in a cookie
}

// Register creates an account with the role USER, mails it a verification link and opens a session.
// It returns *InputError, *OverloadedError, models.ErrEmailTaken, or the refusal of a hook.
//
// Where a verified address is required, it opens no session and returns ErrEmailNotVerified, after
// the same work whether or not the address has an account. The owner of an existing account is
// notified by mail. An account that was never verified or used does not block the address: the
// registration stays pending and replaces the account when the link in its own mail is confirmed.
func (s *Service) Register(ctx context.Context, r Registration, client auth.Client) (*SignIn, error) {
	user, err := s.newUser(ctx, r, policy.User)
	if err != nil {
		return nil, err
	}
	if err := s.config.Hooks.BeforeRegister(ctx, extend.Registration{Name: user.Name, Email: user.Email}); err != nil {
		return nil, err
	}
	if s.config.RequireVerifiedEmail {
		return nil, s.registerUnverified(ctx, user)
	}
	session, refresh := s.newSession(user, r.RememberMe, client)
	device := deviceOf(client, r.UsesCookies)
	verify := s.outgoing(s.mailToUser(ctx, mail.VerifyEmail, user))
	e := &event{name: EventRegistered, user: user.ID, actor: user.ID, role: user.Role, session: session.ID}
	err = s.audited(ctx, e, func(tx *models.Store) error {
		if err := createUser(ctx, tx, user, verify); err != nil {
			return err
		}
		return s.openSession(ctx, tx, e, session, device, client)
	})
	if err != nil {
		return nil, err
	}
	return s.newDeviceSignIn(device, session, refresh)
}

// createUser also returns models.ErrEmailTaken for an address that another account may still
// restore.
func createUser(ctx context.Context, tx *models.Store, user *models.User, mails []*models.Mail) error {
	if err := tx.CreateUserUnlessReserved(ctx, user); err != nil {
		return err
	}
	return tx.CreateMails(ctx, mails)
}

// CreateUser creates an account with any role and opens no session. The operator vouches for the
// address, so it counts as verified. It returns *InputError, *OverloadedError, or
// models.ErrEmailTaken.
func (s *Service) CreateUser(ctx context.Context, r Registration, role string) (*models.User, error) {
	if !s.config.Policy.IsRole(role) {
		return nil, s.unknownRole()
	}
	user, err := s.newUser(ctx, r, role)
	if err != nil {
		return nil, err
	}
	user.EmailVerifiedAt = &user.CreatedAt
	e := &event{name: EventRegistered, user: user.ID, role: user.Role}
	if err := s.audited(ctx, e, func(tx *models.Store) error { return createUser(ctx, tx, user, nil) }); err != nil {
		return nil, err
	}
	return user, nil
}

// newUser validates all values and hashes the password. It stores nothing.
func (s *Service) newUser(ctx context.Context, r Registration, role string) (*models.User, error) {
	var check inputCheck
	name, message := cleanName(r.Name)
	check.field("name", message)
	key, message := EmailKey(r.Email)
	check.field("email", message)
	if r.PasswordConfirmation == nil || *r.PasswordConfirmation == r.Password {
		check.field("password", s.checkPassword(ctx, r.Password, r.Name, r.Email))
	} else { // skip the expensive estimate for a mistyped password
		check.field("password", checkPasswordForm(r.Password, s.config.PasswordMinLength, r.Name, r.Email))
		check.field("passwordConfirmation", "must be the same as the password")
	}
	if err := check.err(); err != nil {
		return nil, err
	}
	hash, err := s.config.Passwords.Hash(ctx, r.Password)
	if err != nil {
		return nil, err
	}
	now := s.config.Store.Now()
	return &models.User{
		ID: newID(), Email: r.Email, EmailKey: key, Name: name, NameKey: searchKey(name),
		PasswordHash: hash, Role: role, CreatedAt: now, UpdatedAt: now,
	}, nil
}

// Credentials are the input of a sign-in.
type Credentials struct {
	Email       string
	Password    string
	RememberMe  bool
	UsesCookies bool // the client receives its refresh token in a cookie
}

// Login opens a session. It returns ErrInvalidCredentials after the same work for an unknown
// address, a wrong password and a disabled account. It returns ErrEmailNotVerified for the right
// password where a verified address is required, and mails the link again. It also returns
// *InputError for a password that is too long, and *OverloadedError.
func (s *Service) Login(ctx context.Context, c Credentials, client auth.Client) (*SignIn, error) {
	if len(c.Password) > maxPasswordBytes {
		return nil, invalid("password", longPassword)
	}
	user, err := s.userByEmail(ctx, c.Email)
	if err != nil && !errors.Is(err, models.ErrNotFound) {
		return nil, err
	}
	stored := ""
	if user != nil {
		stored = user.PasswordHash
	}
	ok, outdated, err := s.config.Passwords.Verify(ctx, stored, c.Password)
	if err != nil {
		return nil, err
	}
	if !ok || user.DisabledAt != nil {
		return nil, s.recordFailure(ctx, failedSignInEvent(user, ok), ErrInvalidCredentials)
	}
	if s.config.RequireVerifiedEmail && !user.EmailVerified() {
		if err := s.RequestEmailVerification(ctx, user); err != nil {
			return nil, err
		}
		e := &event{name: EventSignInFailed, user: user.ID, reason: reasonUnverified}
		return nil, s.recordFailure(ctx, e, ErrEmailNotVerified)
	}
	if outdated {
		if err := s.rehash(ctx, user, c.Password); err != nil {
			return nil, err
		}
	}
	kinds, err := s.config.Store.FactorKinds(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	if len(kinds) > 0 {
		return nil, s.requireSecondFactor(ctx, user, kinds, c.RememberMe)
	}
	session, refresh := s.newSession(user, c.RememberMe, client)
	e := &event{name: EventSignIn, user: user.ID, actor: user.ID, session: session.ID}
	return s.openSignIn(ctx, e, session, refresh, c.UsesCookies, client, nil)
}

// openSignIn stores a session whose user has proved every factor that the account has. first runs
// before that in the same transaction; it may be nil. openSignIn returns the refusal of a hook, and
// the errors of first.
func (s *Service) openSignIn(
	ctx context.Context, e *event, session *models.Session, refresh string, usesCookies bool,
	client auth.Client, first func(tx *models.Store) error,
) (*SignIn, error) {
	user := session.User
	if err := s.config.Hooks.BeforeSignIn(ctx, user); err != nil {
		if !hook.IsRefusal(err) {
			return nil, err
		}
		return nil, s.recordFailure(ctx, &event{name: EventSignInFailed, user: user.ID, reason: reasonRefused}, err)
	}
	if err := limit.AcquireSuccess(ctx); err != nil {
		return nil, err
	}
	device := deviceOf(client, usesCookies)
	err := s.audited(ctx, e, func(tx *models.Store) error {
		if first != nil {
			if err := first(tx); err != nil {
				return err
			}
		}
		// before the rest: it must read what other transactions have inserted until now
		ended, err := s.addSession(ctx, tx, e, session)
		if err != nil {
			return err
		}
		if err := s.notifyNewSignIn(ctx, tx, user, client); ended || err != nil {
			return err
		}
		return s.trustClient(ctx, tx, session, device, client)
	})
	if err != nil {
		return nil, err
	}
	return s.newDeviceSignIn(device, session, refresh)
}

// failedSignInEvent returns one event whatever was wrong, as the response is the same.
func failedSignInEvent(user *models.User, passwordRight bool) *event {
	e := &event{name: EventSignInFailed, reason: reasonUnknown}
	if user != nil {
		e.reason, e.user = reasonPassword, user.ID
	}
	if passwordRight {
		e.reason = reasonDisabled
	}
	return e
}

// userByEmail queries the database even for an invalid address: the work is the same for all
// addresses.
func (s *Service) userByEmail(ctx context.Context, email string) (*models.User, error) {
	key, message := EmailKey(email)
	if message != "" {
		key = ""
	}
	return s.config.Store.UserByEmailKey(ctx, key)
}

// rehash stores a new hash of the password. If the queue is full, the old hash stays: that is no
// reason to refuse a sign-in.
func (s *Service) rehash(ctx context.Context, u *models.User, password string) error {
	better, err := s.config.Passwords.Hash(ctx, password)
	if full := (*OverloadedError)(nil); errors.As(err, &full) {
		return nil
	}
	if err != nil {
		return err
	}
	err = s.config.Store.ReplacePasswordHash(ctx, u.ID, u.PasswordHash, better)
	if errors.Is(err, models.ErrNotFound) {
		return nil
	}
	return err
}

// newDeviceSignIn is newSignIn with a device cookie for the client.
func (s *Service) newDeviceSignIn(device string, session *models.Session, refresh string) (*SignIn, error) {
	signIn, err := s.newSignIn(session, refresh)
	if err == nil {
		signIn.Device = device
	}
	return signIn, err
}

func (s *Service) newSignIn(session *models.Session, refresh string) (*SignIn, error) {
	token, expires, err := s.config.Tokens.Issue(session)
	if err != nil {
		return nil, err
	}
	return &SignIn{Session: session, AccessToken: token, ExpiresAt: expires, RefreshToken: refresh}, nil
}

// newSession returns a session that begins now, with the epoch that was read together with the
// password hash. If all sessions of the user are revoked meanwhile, this one is revoked from the
// start.
func (s *Service) newSession(
	u *models.User, rememberMe bool, client auth.Client,
) (session *models.Session, refresh string) {
	refresh = randomToken()
	now := s.config.Store.Now()
	return &models.Session{
		ID: newID(), UserID: u.ID, User: u, Epoch: u.SessionEpoch,
		RefreshHash: refreshHash(refresh), RememberMe: rememberMe,
		ProvedAt: &now, Methods: new(methodPassword),
		IP: optional(client.IP), UserAgent: optional(cleanUserAgent(client.UserAgent)),
		CreatedAt: now, LastUsedAt: now, ExpiresAt: s.sessionExpiry(now, now, rememberMe),
	}, refresh
}

// sessionExpiry returns the expiry of a session that began at created and is used now.
func (s *Service) sessionExpiry(created, now time.Time, rememberMe bool) time.Time {
	expires, last := now.Add(s.idleTTL(rememberMe)), created.Add(s.config.SessionMaxAge)
	if last.Before(expires) {
		return last
	}
	return expires
}

// idleTTL returns how long a session lives without a refresh.
func (s *Service) idleTTL(rememberMe bool) time.Duration {
	if rememberMe {
		return s.config.RememberMeTTL
	}
	return s.config.RefreshTokenTTL
}

// refreshHash returns the stored hash of a refresh token. The token is 256 random bits, so a slower
// hash than one round of SHA-256 would not make it harder to guess.
func refreshHash(token string) []byte {
	sum := sha256.Sum256([]byte("fieldgate refresh token\x00" + token))
	return sum[:]
}

// randomToken returns 256 random bits in base64url.
func randomToken() string {
	return base64.RawURLEncoding.EncodeToString(randomBytes(32))
}

// newID returns a UUIDv7 (RFC 9562 section 5.7).
func newID() string { return uuid.Must(uuid.NewV7()).String() }

const maxUserAgentLength = 255 // characters

// cleanUserAgent makes a User-Agent header safe to store and display.
func cleanUserAgent(s string) string {
	s = strings.Map(func(r rune) rune {
		if isUnprintable(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if utf8.RuneCountInString(s) > maxUserAgentLength {
		s = string([]rune(s)[:maxUserAgentLength])
	}
	return s
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
