// Package graph serves the GraphQL API: the handler, the implementation of @auth, the error codes,
// and resolvers that call package account.
//
// gqlgen generates everything in the folder generated from schema.graphqls and the schema files
// below app/.
package graph

import (
	"context"
	"errors"

	"fieldgate/app"
	"fieldgate/graph/generated"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// Resolver resolves the fields of Query and Mutation.
type Resolver struct {
	App      *app.App // what the product adds
	Accounts *account.Service
	Policy   *policy.Policy
	limiter  *limiter
}

// currentUser returns the signed-in user. Behind @auth it always finds one.
func currentUser(ctx context.Context) (*models.User, error) {
	session, err := auth.ViewerFrom(ctx).Session(ctx)
	if err != nil {
		return nil, err
	}
	return session.User, nil
}

// signIn runs the rest of the request as the user of the new session. It delivers the refresh token
// only in the way that the client requested.
func signIn(ctx context.Context, s *account.SignIn, delivery generated.TokenDelivery) *generated.AuthPayload {
	v := auth.ViewerFrom(ctx)
	v.SetSession(s.Session)
	payload := &generated.AuthPayload{
		AccessToken: s.AccessToken, TokenType: auth.TokenType, ExpiresAt: s.ExpiresAt,
		User: s.Session.User, Session: s.Session,
	}
	if delivery == generated.TokenDeliveryBody {
		payload.RefreshToken = &s.RefreshToken
	} else if !s.CookieUnchanged {
		v.SetRefreshCookie(s.RefreshToken, s.Session.ExpiresAt.Sub(s.Session.LastUsedAt))
	}
	return payload
}

// newSignIn is signIn for a new session. It also revokes the browser's previous session: the
// new cookie replaces its refresh token, so the user could not sign out of it any more.
func (r *Resolver) newSignIn(
	ctx context.Context, s *account.SignIn, delivery generated.TokenDelivery,
) (*generated.AuthPayload, error) {
	if old := auth.ViewerFrom(ctx).RefreshCookie(); old != "" && delivery == generated.TokenDeliveryCookie {
		if _, err := r.Accounts.Logout(ctx, old, nil, nil); err != nil {
			return nil, err
		}
	}
	payload := signIn(ctx, s, delivery)
	if s.Device != "" {
		auth.ViewerFrom(ctx).SetDeviceCookie(s.Device, account.TrustTTL)
	}
	return payload, nil
}

// accountProof collects the request's evidence that it belongs to an account: session, refresh
// cookie and password.
func accountProof(ctx context.Context, password *string) (account.Proof, error) {
	v := auth.ViewerFrom(ctx)
	p := account.Proof{RefreshToken: v.RefreshCookie(), Password: password}
	session, err := v.Session(ctx)
	if unauthenticated := (*auth.UnauthenticatedError)(nil); errors.As(err, &unauthenticated) {
		return p, nil
	}
	if err == nil {
		p.SessionID = session.ID
	}
	return p, err
}

// trueOrError returns true for a gated field whose only result is its success.
func trueOrError(err error) (*bool, error) {
	if err != nil {
		return nil, err
	}
	return new(true), nil
}

// signOut runs the rest of the request as anonymous and clears the refresh cookie.
func signOut(ctx context.Context) {
	v := auth.ViewerFrom(ctx)
	v.ClearSession()
	v.ClearRefreshCookie()
}

// valueOrZero dereferences a pointer. It returns the zero value for nil.
func valueOrZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
