package account

import (
	"context"
	"log/slog"

	"fieldgate/internal/auth"
)

// The events that matter to whoever watches over a server: each is the message of one line in the log, and stays
// as it is. docs/logs.md says which fields the lines have. No line has a password, a token, or an address that
// somebody typed: those are what people type their password into by mistake.
const (
	EventRegistered           = "registered"             // an account was made
	EventSignIn               = "sign-in"                // a session was opened with a password
	EventSignInFailed         = "sign-in failed"         // with the reason that the client is not told
	EventSignedOut            = "signed out"             // one session was ended
	EventSessionsEnded        = "sessions ended"         // all sessions of somebody were ended
	EventTokenReused          = "refresh token reused"   // somebody has stolen it, or had it stolen: the session was ended
	EventPasswordChanged      = "password changed"       // and every other session of the person ended
	EventPasswordChangeFailed = "password change failed" // the current password was wrong
	EventRoleChanged          = "role changed"
	EventUserDisabled         = "user disabled" // and every session of theirs ended
	EventUserEnabled          = "user enabled"
	EventDenied               = "denied"          // a field was refused by the schema's rules; package graph says so
	EventWouldBeDenied        = "would be denied" // a field will be, when a rule that only reports is in force; likewise
)

// Why a sign-in failed.
const (
	reasonUnknown  = "unknown"  // nobody has the address
	reasonPassword = "password" // the password is not the account's
	reasonDisabled = "disabled" // the password is right, and the account shut
)

// event writes one down, with the address that it came from and who did it, if that is somebody who is signed in.
func (s *Service) event(ctx context.Context, level slog.Level, name string, attrs ...slog.Attr) {
	viewer := auth.ViewerFrom(ctx)
	if by := viewer.UserID(); by != "" {
		attrs = append(attrs, slog.String("by", by))
	}
	if ip := viewer.Client().IP; ip != "" {
		attrs = append(attrs, slog.String("ip", ip))
	}
	s.Log.LogAttrs(ctx, level, name, attrs...)
}

func ofUser(id string) slog.Attr    { return slog.String("user_id", id) }
func ofSession(id string) slog.Attr { return slog.String("session_id", id) }
