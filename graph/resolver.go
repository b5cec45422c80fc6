// Package graph is GraphQL in and GraphQL out, and nothing else: the handler, the rule behind @auth, the one
// table of errors, and resolvers of a line each that translate between the schema and package account.
//
// Everything under generated is written by gqlgen from schema.graphqls and the schema files below app/.
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

// Resolver answers the fields of Query and Mutation.
type Resolver struct {
	App      *app.App // what the product adds
	Accounts *account.Service
	Policy   *policy.Policy
	limiter  *limiter
}

// currentUser is the person who is asking. Behind @auth there is one.
func currentUser(ctx context.Context) (*models.User, error) {
	session, err := auth.ViewerFrom(ctx).Session(ctx)
	if err != nil {
		return nil, err
	}
	return session.User, nil
}

// signIn makes the rest of the request the person's who has just signed in, and delivers the refresh token
// the way that was asked for and no other.
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

// newSignIn also ends the session that the browser was signed in with until now: its cookie is about to be
// replaced, and nobody could end it any more.
func (r *Resolver) newSignIn(ctx context.Context, s *account.SignIn, delivery generated.TokenDelivery) (*generated.AuthPayload, error) {
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

// accountProof is what a request brings to show that it belongs to an account.
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

// trueOrError is the answer of a gated field that has nothing to say but that it is done.
func trueOrError(err error) (*bool, error) {
	if err != nil {
		return nil, err
	}
	return new(true), nil
}

// signOut makes the rest of the request anonymous and clears the refresh cookie.
func signOut(ctx context.Context) {
	v := auth.ViewerFrom(ctx)
	v.ClearSession()
	v.ClearRefreshCookie()
}

// valueOrZero is what a pointer points to, and else the zero value.
func valueOrZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
