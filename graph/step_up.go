package graph

import (
	"context"
	"errors"
	"time"

	"fieldgate/fgerr"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// StepUpRequiredError is the error of a field that requires a fresher proof of identity than the
// session has, or a second factor. RFC 9470 has the same for OAuth:
// insufficient_user_authentication.
type StepUpRequiredError struct {
	Proof policy.Proof // what the field requires
	// Methods are the factors of the account that meet it. Without any, the user must enrol one
	// first.
	Methods []string
}

func (e *StepUpRequiredError) Error() string {
	if len(e.Methods) == 0 {
		return "enrol a second factor first"
	}
	return "confirm your identity and try again"
}

func (e *StepUpRequiredError) extensions() map[string]any {
	mfa := e.Proof.MFA
	if mfa == "" {
		mfa = policy.MFANo
	}
	extensions := map[string]any{"code": fgerr.StepUpRequired, "mfa": mfa, "methods": e.Methods, "maxAge": nil}
	if e.Proof.MaxAge > 0 {
		extensions["maxAge"] = int(e.Proof.MaxAge.Seconds())
	}
	return extensions
}

func secondFactorExtensions(e *account.SecondFactorRequiredError) map[string]any {
	extensions := map[string]any{"code": fgerr.SecondFactorRequired, "methods": e.Methods, "expiresAt": e.ExpiresAt}
	if e.Challenge != "" {
		extensions["challenge"] = e.Challenge
	}
	return extensions
}

// sessionFor returns the viewer's session for a field with a requirement of its proof of identity.
// Such a field does not use the cache of SESSION_RECHECK: another server may have recorded a newer
// proof, or revoked the session, and what a revoked session changes here would last.
func sessionFor(ctx context.Context, required policy.Proof) (*models.Session, error) {
	v := auth.ViewerFrom(ctx)
	session, err := v.Session(ctx)
	if err != nil || !required.Required() {
		return session, err
	}
	return v.ReloadSession(ctx)
}

// checkProof returns *StepUpRequiredError unless the viewer's session meets a requirement of its
// proof of identity. A recent second factor meets every requirement. The second factors are queried
// only if the answer depends on them.
func checkProof(ctx context.Context, required policy.Proof) error {
	if !required.Required() {
		return nil
	}
	session, err := sessionFor(ctx, required)
	if err != nil {
		return err
	}
	v := auth.ViewerFrom(ctx)
	firstIsFresh := isFresh(session.FirstProvedAt(), required.MaxAge, v.Now())
	if session.SecondProvedAt != nil && isFresh(*session.SecondProvedAt, required.MaxAge, v.Now()) ||
		required.MFA == "" && firstIsFresh {
		return nil
	}
	kinds, err := v.SecondFactors(ctx)
	if err != nil {
		return err
	}
	methods := account.MethodsOf(kinds)
	if required.MFA == policy.MFAAlways || required.MFA == policy.MFAIfEnrolled && len(kinds) > 0 {
		return &StepUpRequiredError{required, methods}
	}
	if firstIsFresh {
		return nil
	}
	return &StepUpRequiredError{required, append([]string{account.FactorPassword}, methods...)}
}

func isFresh(at time.Time, maxAge time.Duration, now time.Time) bool {
	return maxAge == 0 || now.Sub(at) <= maxAge
}

// recentProof is the proof of identity that passwordOrProof checks.
var recentProof = policy.Proof{MaxAge: 10 * time.Minute, MFA: policy.MFAIfEnrolled}

// passwordOrProof checks recentProof if the client gives no password, or if the account has a
// second factor: a password alone may be stolen. Otherwise the password is the proof, and the
// caller verifies it.
func passwordOrProof(ctx context.Context, password *string) error {
	if password == nil {
		return checkProof(ctx, recentProof)
	}
	if _, err := auth.ViewerFrom(ctx).Session(ctx); err != nil {
		return err
	}
	kinds, err := auth.ViewerFrom(ctx).SecondFactors(ctx)
	if err != nil || len(kinds) == 0 {
		return err
	}
	return checkProof(ctx, recentProof)
}

// deliverChallenge moves the challenge of *account.SecondFactorRequiredError into the cookie, if
// the client takes its tokens in cookies.
func deliverChallenge(ctx context.Context, required *account.SecondFactorRequiredError, usesCookies bool) error {
	if !usesCookies {
		return required
	}
	v := auth.ViewerFrom(ctx)
	v.SetChallengeCookie(required.Challenge, required.ExpiresAt.Sub(v.Now()))
	inCookie := *required
	inCookie.Challenge = ""
	return &inCookie
}

// needsStepUp reports whether the viewer's session fails a requirement now.
func needsStepUp(ctx context.Context, required policy.Proof) (bool, error) {
	err := checkProof(ctx, required)
	if errors.As(err, new(*StepUpRequiredError)) {
		return true, nil
	}
	return false, err
}
