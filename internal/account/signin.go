package account

import (
	"context"
	"crypto/rand"
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
	ExpiresAt       time.Time // the access token's
	RefreshToken    string
	Device          string // for the device cookie; "" for a client that keeps no cookies
	CookieUnchanged bool   // the refresh cookie of the client is right as it is, and is not set again
}

// Registration is who wants an account.
type Registration struct {
	Name                 string
	Email                string
	Password             string
	PasswordConfirmation *string
	RememberMe           bool
	UsesCookies          bool // the client takes its refresh token in a cookie
}

// Register makes an account with the role USER, mails it a link by which the person shows that mail reaches them, and
// opens a session. It returns *InputError, *Overloaded, models.ErrEmailTaken, or the refusal of a hook.
//
// Where a verified address is required it opens none, and returns ErrEmailNotVerified after the same work whether
// or not the address has an account. The owner of an account is told by mail. An account that was never verified or used
// does not block the address: the registration waits, and takes its place when the link in its own mail is confirmed.
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

// createUser returns models.ErrEmailTaken also for an address that somebody may still take back.
func createUser(ctx context.Context, tx *models.Store, user *models.User, mails []*models.Mail) error {
	if err := tx.CreateUserUnlessReserved(ctx, user); err != nil {
		return err
	}
	return tx.CreateMails(ctx, mails)
}

// CreateUser makes an account with any role and opens no session. Whoever runs the server vouches for the address: it
// counts as verified. It returns *InputError, *Overloaded, or models.ErrEmailTaken.
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

// newUser checks all values at once and hashes the password; it stores nothing.
func (s *Service) newUser(ctx context.Context, r Registration, role string) (*models.User, error) {
	var check inputCheck
	name, wrong := cleanName(r.Name)
	check.field("name", wrong)
	key, wrong := EmailKey(r.Email)
	check.field("email", wrong)
	if r.PasswordConfirmation == nil || *r.PasswordConfirmation == r.Password {
		check.field("password", s.checkPassword(ctx, r.Password, r.Name, r.Email))
	} else { // the estimate of how common a mistyped password is would be wasted
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

// Credentials are how somebody proves who they are.
type Credentials struct {
	Email       string
	Password    string
	RememberMe  bool
	UsesCookies bool // the client takes its refresh token in a cookie
}

// Login opens a session. It returns ErrInvalidCredentials after the same work whatever was wrong: an unknown
// address, the password, or that the account is disabled; ErrEmailNotVerified for the right password where a verified
// address is required, and mails the link once more; *InputError for a password too long to be one; and *Overloaded.
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
		return nil, s.recordFailure(ctx, &event{name: EventSignInFailed, user: user.ID, reason: reasonUnverified}, ErrEmailNotVerified)
	}
	if err := s.config.Hooks.BeforeSignIn(ctx, user); err != nil {
		if !hook.IsRefusal(err) {
			return nil, err
		}
		return nil, s.recordFailure(ctx, &event{name: EventSignInFailed, user: user.ID, reason: reasonRefused}, err)
	}
	if outdated {
		if err := s.rehash(ctx, user, c.Password); err != nil {
			return nil, err
		}
	}
	if err := limit.AcquireSuccess(ctx); err != nil {
		return nil, err
	}
	session, refresh := s.newSession(user, c.RememberMe, client)
	device := deviceOf(client, c.UsesCookies)
	e := &event{name: EventSignIn, user: user.ID, actor: user.ID, session: session.ID}
	err = s.audited(ctx, e, func(tx *models.Store) error {
		ended, err := s.addSession(ctx, tx, e, session) // firstRune: it reads what others have inserted until now
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

// failedSignInEvent is one event whatever was wrong, as the answer is one.
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

// userByEmail asks the database for an address that nobody can have as for any other: the same work.
func (s *Service) userByEmail(ctx context.Context, email string) (*models.User, error) {
	key, wrong := EmailKey(email)
	if wrong != "" {
		key = ""
	}
	return s.config.Store.UserByEmailKey(ctx, key)
}

// rehash stores the password's hash as it would be made today. That it may have to wait for another day is
// no reason to refuse a sign-in.
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

// newSession is a session that begins now, of the epoch that was read together with the password's hash: if
// every session of the user is ended meanwhile, this one is born ended.
func (s *Service) newSession(u *models.User, rememberMe bool, client auth.Client) (session *models.Session, refresh string) {
	refresh = randomToken()
	now := s.config.Store.Now()
	return &models.Session{
		ID: newID(), UserID: u.ID, User: u, Epoch: u.SessionEpoch,
		RefreshHash: refreshHash(refresh), RememberMe: rememberMe,
		IP: optional(client.IP), UserAgent: optional(cleanUserAgent(client.UserAgent)),
		CreatedAt: now, LastUsedAt: now, ExpiresAt: s.sessionExpiry(now, now, rememberMe),
	}, refresh
}

// sessionExpiry is when a session ends that began at created and is used now.
func (s *Service) sessionExpiry(created, now time.Time, rememberMe bool) time.Time {
	expires, last := now.Add(s.idleTTL(rememberMe)), created.Add(s.config.SessionMaxAge)
	if last.Before(expires) {
		return last
	}
	return expires
}

// idleTTL is how long a session lives unless it is refreshed.
func (s *Service) idleTTL(rememberMe bool) time.Duration {
	if rememberMe {
		return s.config.RememberMeTTL
	}
	return s.config.RefreshTokenTTL
}

// refreshHash is what is stored of a refresh token. The token is 256 random bits, so nothing slower than one
// round of SHA-256 would make it harder to guess.
func refreshHash(token string) []byte {
	sum := sha256.Sum256([]byte("fieldgate refresh token\x00" + token))
	return sum[:]
}

// randomToken is 256 random bits in base64url.
func randomToken() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// newID is a UUIDv7 (RFC 9562 section 5.7).
func newID() string { return uuid.Must(uuid.NewV7()).String() }

const maxUserAgentLength = 255 // characters

// cleanUserAgent makes what a client says of itself fit for a table and a page.
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
