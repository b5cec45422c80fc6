package account

import (
	"cmp"
	"context"
	"log/slog"
	"strconv"
	"time"

	"fieldgate/extend"
	"fieldgate/internal/auth"
	"fieldgate/models"
)

// Events of the security log. Each value is the message of a log line and must not change.
// docs/reference/logs.md lists the fields of the lines. No line contains a password, a token or a
// typed address: users type passwords into the wrong field.
const (
	EventRegistered = "registered" // an account was created
	// The owner of the address was notified by mail; nothing else happened.
	EventAlreadyRegistered = "already registered"
	// A registration waits to replace an account that was never used.
	EventRegisteredAgain = "registered again"

	EventSignIn       = "sign-in"        // a session was opened with a password
	EventSignInFailed = "sign-in failed" // with the reason, which the client does not get
	EventSignedOut    = "signed out"     // one session was revoked
	// The least recently used session was revoked: the account had too many.
	EventSessionRevoked = "session revoked"
	EventSessionsEnded  = "sessions ended" // an ADMIN revoked all sessions of an account
	// For a server that renders pages, from a visitor's cookie; once per hour and session.
	EventAccessTokenIssued = "access token issued"
	// An old refresh token came back, so a copy was stolen: the session was revoked.
	EventTokenReused = "refresh token reused"
	// Of a link or a session. The audit log counts them per network and hour.
	EventUnknownToken = "unknown token"

	// All other sessions of the user were revoked too.
	EventPasswordChanged      = "password changed"
	EventPasswordChangeFailed = "password change failed" // the current password was wrong
	EventPasswordResetSent    = "password reset sent"    // the operator had a link mailed
	// With a link from a mail. All sessions of the user were revoked.
	EventPasswordReset = "password reset"

	EventEmailVerified           = "email verified"            // with a link from a mail
	EventEmailVerificationFailed = "email verification failed" // the password was wrong
	// The mailbox's owner did not create the account: its sessions and password were removed.
	EventEmailDisowned = "email disowned"
	// The mailbox's owner did not request the change.
	EventEmailChangeDeclined  = "email change declined"
	EventEmailChangeRequested = "email change requested"
	EventEmailChangeFailed    = "email change failed" // the password was wrong
	EventEmailChanged         = "email changed"
	// An address change was undone and its author locked out.
	EventEmailRestored = "email restored"

	// A wrong code of a second factor: at a sign-in with the right password, or in a session.
	EventSecondFactorFailed = "second factor failed"
	// A user proved a factor again in a session.
	EventIdentityConfirmed     = "identity confirmed"
	EventConfirmationFailed    = "identity confirmation failed" // the password was wrong
	EventFactorAdded           = "factor added"
	EventFactorRemoved         = "factor removed"
	EventRecoveryCodesReplaced = "recovery codes replaced"
	// All factors of an account, by an ADMIN or on the command line.
	EventFactorsReset = "factors reset"

	EventDeletionFailed = "account deletion failed" // the password was wrong
	EventUserDeleted    = "account deleted"         // by the user
	EventUserExpired    = "account expired"         // never verified or used, and swept

	EventRoleChanged       = "role changed"
	EventUserDisabled      = "user disabled" // and all their sessions revoked
	EventUserEnabled       = "user enabled"
	EventUserErased        = "user deleted"         // by an ADMIN or on the command line
	EventUserErasureFailed = "user deletion failed" // the ADMIN's password was wrong
	EventUserReset         = "user reset"           // serve --demo restored a demo account

	// The schema's rules denied a field. Package graph logs it.
	EventDenied = "denied"
	// A report-only rule would deny a field. Package graph logs it.
	EventWouldBeDenied = "would be denied"
)

// Reasons of a failed sign-in.
const (
	reasonUnknown    = "unknown"    // no account has the address
	reasonPassword   = "password"   // wrong password
	reasonDisabled   = "disabled"   // right password, disabled account
	reasonRefused    = "refused"    // right password, refused by a hook of the product
	reasonUnverified = "unverified" // right password, address not verified
)

// event is a line in the log and an entry in the audit log.
type event struct {
	name    string
	level   slog.Level
	user    string // the affected account; "" if no account has the address
	actor   string // the acting user, if not the signed-in one
	session string

	// At most one further detail.
	reason, role string
	sessions     int
	hasCount     bool // sessions is set, even if it is 0

	omitsClient bool // the client's address and user agent are not stored

	related []*event // events caused by this one
}

// detail returns the further detail for the audit log.
func (e *event) detail() string {
	if e.hasCount {
		return strconv.Itoa(e.sessions)
	}
	return e.reason + e.role
}

// audited runs change and stores the event in the same transaction. change may add to e what it
// finds out.
//
// Every change of an account or its sessions passes through audited, which invalidates the caches.
// It does so after a failure too, because the outcome of a COMMIT can be unknown.
func (s *Service) audited(ctx context.Context, e *event, change func(tx *models.Store) error) error {
	err := s.auditedTx(ctx, e, change)
	for _, changed := range append([]*event{e}, e.related...) {
		s.config.Sessions.Invalidate(ctx, changed.user)
	}
	return err
}

// auditedTx is audited without invalidating the caches.
func (s *Service) auditedTx(ctx context.Context, e *event, change func(tx *models.Store) error) error {
	id, at := newID(), s.config.Store.Now()
	err := s.config.Store.Transaction(ctx, func(tx *models.Store) error {
		if err := change(tx); err != nil {
			return err
		}
		if err := s.createAuditEntry(ctx, tx, e.entry(ctx, id, at)); err != nil {
			return err
		}
		for _, other := range e.related {
			if err := s.createAuditEntry(ctx, tx, other.entry(ctx, newID(), at)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.logEvent(ctx, e)
		for _, other := range e.related {
			s.logEvent(ctx, other)
		}
	}
	return err
}

// createAuditEntry adds an entry to the audit log and calls the product's hooks.
func (s *Service) createAuditEntry(ctx context.Context, tx *models.Store, entry *models.AuditEntry) error {
	if err := tx.CreateAudit(ctx, entry); err != nil {
		return err
	}
	return s.config.Hooks.AfterEvent(ctx, tx, extend.Event{
		ID: entry.ID, Name: entry.Event, Detail: stringOrEmpty(entry.Detail), UserID: stringOrEmpty(entry.UserID),
		ActorID: stringOrEmpty(entry.ActorID), SessionID: stringOrEmpty(entry.SessionID), At: entry.CreatedAt,
	})
}

// recordFailure stores the event of a failed attempt and returns err, or the error of storing it.
func (s *Service) recordFailure(ctx context.Context, e *event, err error) error {
	if failed := s.auditedTx(ctx, e, func(*models.Store) error { return nil }); failed != nil {
		return failed
	}
	return err
}

// entry returns the event as a row.
func (e *event) entry(ctx context.Context, id string, at time.Time) *models.AuditEntry {
	viewer := auth.ViewerFrom(ctx)
	client := viewer.Client()
	if e.omitsClient {
		client = auth.Client{}
	}
	return &models.AuditEntry{
		ID: id, Event: e.name, Detail: optional(e.detail()), UserID: optional(e.user),
		ActorID: optional(cmp.Or(e.actor, viewer.UserID())), SessionID: optional(e.session),
		IP: optional(client.IP), UserAgent: optional(cleanUserAgent(client.UserAgent)), CreatedAt: at,
	}
}

// logEvent logs the event with the client's address and the signed-in user.
func (s *Service) logEvent(ctx context.Context, e *event) {
	attrs := []slog.Attr{slog.String("user_id", e.user)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	viewer := auth.ViewerFrom(ctx)
	add("session_id", e.session)
	add("reason", e.reason)
	add("role", e.role)
	if e.hasCount {
		attrs = append(attrs, slog.Int("sessions", e.sessions))
	}
	add("by", viewer.UserID())
	add("ip", viewer.Client().IP)
	s.config.Log.LogAttrs(ctx, e.level, e.name, attrs...)
	if s.config.OnEvent != nil {
		s.config.OnEvent(e.name)
	}
}

// stringOrEmpty is the inverse of optional.
func stringOrEmpty(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
