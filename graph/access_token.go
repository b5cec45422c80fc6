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

// invalidTokenRate is the rate of invalid refresh tokens from one address. It is not a @limit,
// because the client is a server that renders the pages of all visitors: one visitor with invalid
// tokens must not block the others. The limiter counts it after the lookup, and for invalid tokens
// only.
var invalidTokenRate = limit.Rate{Count: 600, Window: 5 * time.Minute}

// accessToken issues an access token for the session of the refresh cookie.
func (r *Resolver) accessToken(ctx context.Context) (*generated.AccessToken, error) {
	v := auth.ViewerFrom(ctx)
	if header := v.BrowserHeader(); header != "" {
		const problem = "must not be sent: accessToken is for servers; browsers call refresh"
		return nil, &account.InputError{Fields: []account.FieldError{{Name: header, Message: problem}}}
	}
	session, err := r.Accounts.ReadRefreshToken(ctx, v.RefreshCookie())
	if errors.Is(err, account.ErrInvalidToken) {
		if err := r.limiter.countInvalidToken(ctx); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	token, err := r.Accounts.IssueAccessToken(ctx, session)
	if err != nil {
		return nil, err
	}
	v.SetSession(token.Session)
	return &generated.AccessToken{AccessToken: token.Token, TokenType: auth.TokenType, ExpiresAt: token.ExpiresAt}, nil
}

// countInvalidToken returns *models.LimitReachedError if the client's address has used up
// invalidTokenRate.
func (l *limiter) countInvalidToken(ctx context.Context) error {
	if l.off {
		return nil
	}
	field, network := graphql.GetFieldContext(ctx), limit.Network(auth.ViewerFrom(ctx).Client().IP)
	id := limit.Key(coordinate(field), "invalid tokens", network)
	_, err := l.store.Acquire(ctx, []models.Reservation{{Name: policy.ByAddress, ID: id, Rate: invalidTokenRate}})
	if err != nil {
		l.logLimited(ctx, field, err)
	}
	return err
}
