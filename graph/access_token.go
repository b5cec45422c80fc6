package graph

import (
	"context"
	"errors"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/graph/generated"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// The rates of accessToken. They are not a @limit: the caller is a server that renders the pages of all visitors, so that one
// of them must not use up what its address has. A session is counted by itself, and an address only for tokens that are good
// for nothing, after they were looked up.
var (
	accessTokensOfSession    = limit.Rate{Count: 600, Window: 5 * time.Minute}
	invalidTokensFromAddress = limit.Rate{Count: 600, Window: 5 * time.Minute}
)

// accessToken issues an access token for the session of the refresh cookie.
func (r *Resolver) accessToken(ctx context.Context) (*generated.AccessToken, error) {
	v := auth.ViewerFrom(ctx)
	if header := v.BrowserHeader(); header != "" {
		return nil, &account.InputError{Fields: []account.FieldError{{Name: header, Message: "must not be sent: accessToken is for servers; browsers use refresh"}}}
	}
	session, err := r.Accounts.ReadRefreshToken(ctx, v.RefreshCookie())
	if errors.Is(err, account.ErrInvalidToken) {
		if err := r.limits.count(ctx, policy.ByAddress, limit.Network(v.Client().IP), invalidTokensFromAddress); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if err := r.limits.count(ctx, "SESSION", session.ID, accessTokensOfSession); err != nil {
		return nil, err
	}
	token, err := r.Accounts.IssueAccessToken(ctx, session)
	if err != nil {
		return nil, err
	}
	v.SignedIn(token.Session)
	return &generated.AccessToken{AccessToken: token.Token, TokenType: auth.TokenType, ExpiresAt: token.ExpiresAt}, nil
}

// count takes a slot of a rate that the schema cannot state. The error of one that is used up is *models.LimitReached.
func (l *limits) count(ctx context.Context, by, key string, rate limit.Rate) error {
	if l.off {
		return nil
	}
	field := graphql.GetFieldContext(ctx)
	_, err := l.store.Take(ctx, []models.Slot{{Name: by, ID: limit.Key(coordinate(field), by, key), Rate: rate}})
	if err != nil {
		l.tellReached(ctx, field, err)
	}
	return err
}
