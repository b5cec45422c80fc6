package graph

import (
	"context"

	"fieldgate/graph/generated"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
)

// completeSignIn takes the challenge from the input, or else from the cookie. The refresh token is
// delivered as the challenge was.
func (r *Resolver) completeSignIn(ctx context.Context, input generated.SecondFactorInput) (*generated.AuthPayload, error) {
	v := auth.ViewerFrom(ctx)
	challenge, delivery := valueOrZero(input.Challenge), generated.TokenDeliveryBody
	if input.Challenge == nil {
		challenge, delivery = v.ChallengeCookie(), generated.TokenDeliveryCookie
	}
	s, err := r.Accounts.CompleteSignIn(ctx, account.SecondFactor{
		Challenge: challenge, Factor: input.Factor, Code: input.Code, UsesCookies: delivery == generated.TokenDeliveryCookie,
	}, v.Client())
	if err != nil {
		return nil, err
	}
	v.ClearChallengeCookie()
	return r.newSignIn(ctx, s, delivery)
}

// confirmIdentity replaces the refresh token of a browser. Other clients keep theirs.
func (r *Resolver) confirmIdentity(ctx context.Context, input generated.ConfirmInput) (*generated.AuthPayload, error) {
	v := auth.ViewerFrom(ctx)
	session, err := v.Session(ctx)
	if err != nil {
		return nil, err
	}
	s, err := r.Accounts.ConfirmIdentity(ctx, session, input.Factor, input.Proof, v.RefreshCookie())
	if err != nil {
		return nil, err
	}
	return signIn(ctx, s, generated.TokenDeliveryCookie), nil
}
