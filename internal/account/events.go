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

// The events that matter to whoever watches over a server: each is the message of one line in the log, and stays
// as it is. docs/reference/logs.md says which fields the lines have. No line has a password, a token, or an address that
// somebody typed: those are what people type their password into by mistake.
const (
	EventRegistered              = "registered"                // an account was made
	EventAlreadyRegistered       = "already registered"        // only the address's owner was told, by mail
	EventRegisteredAgain         = "registered again"          // a registration waits to take the place of an account that was never used
	EventSignIn                  = "sign-in"                   // a session was opened with a password
	EventSignInFailed            = "sign-in failed"            // with the reason that the client is not told
	EventSignedOut               = "signed out"                // one session was ended
	EventSessionRevoked          = "session revoked"           // the one used least recently: the account had too many
	EventSessionsEnded           = "sessions ended"            // an ADMIN ended all sessions of an account
	EventAccessTokenIssued       = "access token issued"       // to a server that renders pages, for a visitor's cookie; once an hour and session
	EventTokenReused             = "refresh token reused"      // an old refresh token came back, so one copy is stolen: the session was ended
	EventPasswordChanged         = "password changed"          // and every other session of the person ended
	EventPasswordChangeFailed    = "password change failed"    // the current password was wrong
	EventPasswordResetSent       = "password reset sent"       // the operator had a link mailed
	EventPasswordReset           = "password reset"            // with a link in a mail; every session of the person ended
	EventEmailVerified           = "email verified"            // with a link in a mail
	EventEmailVerificationFailed = "email verification failed" // the password was wrong
	EventEmailDisowned           = "email disowned"            // the mailbox's owner did not make the account: sessions and password ended
	EventEmailChangeDeclined     = "email change declined"     // the mailbox's owner did not ask for the change
	EventEmailChangeRequested    = "email change requested"
	EventEmailChangeFailed       = "email change failed" // the password was wrong
	EventEmailChanged            = "email changed"
	EventEmailRestored           = "email restored"          // a change of address was undone, and its author locked out
	EventDeletionFailed          = "account deletion failed" // the password was wrong
	EventUserDeleted             = "account deleted"         // by the person
	EventRoleChanged             = "role changed"
	EventUnknownToken            = "unknown token" // of a link or a session; the audit log counts them by network and hour
	EventUserDisabled            = "user disabled" // and every session of theirs ended
	EventUserEnabled             = "user enabled"
	EventUserErased              = "user deleted"         // by an ADMIN or on the command line
	EventUserErasureFailed       = "user deletion failed" // the ADMIN's password was wrong
	EventUserReset               = "user reset"           // serve --demo gave one of its people back what was changed
	EventUserExpired             = "account expired"      // never verified or used, and swept
	EventDenied                  = "denied"               // a field was refused by the schema's rules; package graph says so
	EventWouldBeDenied           = "would be denied"      // a field will be, when a rule that only reports is in force; likewise
)

// Why a sign-in failed.
const (
	reasonUnknown    = "unknown"    // nobody has the address
	reasonPassword   = "password"   // the password is not the account's
	reasonDisabled   = "disabled"   // the password is right, and the account shut
	reasonRefused    = "refused"    // the password is right, and a hook of the product said no
	reasonUnverified = "unverified" // the password is right, and nothing shows that mail reaches the person
)

// event is something that happened: a line in the log, and an entry of the audit log.
type event struct {
	name    string
	level   slog.Level
	user    string // whom it happened to; "" if nobody has the address that was tried
	actor   string // who did it, if that is not who is signed in
	session string

	// What else there is to say of it, one of them at the most.
	reason, role string
	sessions     int
	hasCount     bool // sessions says something, be it 0

	omitsClient bool // from where it was done is not to be kept

	related []*event // what happened because of it
}

// detail is what else there is to say, for the audit log.
func (e *event) detail() string {
	if e.hasCount {
		return strconv.Itoa(e.sessions)
	}
	return e.reason + e.role
}

// audited does something and writes down that it was done, both or neither. What change finds out it may add to e.
//
// It is the one place that invalidates caches: whatever changes an account or its sessions passes through here. The caches are
// invalidated after a failure too, because the outcome of a COMMIT can be unknown.
func (s *Service) audited(ctx context.Context, e *event, change func(tx *models.Store) error) error {
	err := s.auditedTx(ctx, e, change)
	for _, changed := range append([]*event{e}, e.related...) {
		s.config.Sessions.Invalidate(ctx, changed.user)
	}
	return err
}

// auditedTx is do without the caches.
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

// createAuditEntry adds an entry to the audit log, and tells the product's hooks.
func (s *Service) createAuditEntry(ctx context.Context, tx *models.Store, entry *models.AuditEntry) error {
	if err := tx.CreateAudit(ctx, entry); err != nil {
		return err
	}
	return s.config.Hooks.AfterEvent(ctx, tx, extend.Event{
		ID: entry.ID, Name: entry.Event, Detail: stringOrEmpty(entry.Detail), UserID: stringOrEmpty(entry.UserID),
		ActorID: stringOrEmpty(entry.ActorID), SessionID: stringOrEmpty(entry.SessionID), At: entry.CreatedAt,
	})
}

// recordFailure writes down what was tried, and returns err, unless it cannot be written down.
func (s *Service) recordFailure(ctx context.Context, e *event, err error) error {
	if failed := s.auditedTx(ctx, e, func(*models.Store) error { return nil }); failed != nil {
		return failed
	}
	return err
}

// entry is the event as a row.
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

// logEvent writes the event into the log, with the address that it came from and who did it, if that is somebody who
// is signed in.
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

// stringOrEmpty is the opposite of optional.
func stringOrEmpty(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
