// Package auth authenticates requests: it signs and verifies access tokens and resolves sessions.
//
// Tokens signs and verifies access tokens. Middleware puts a Viewer into the context of each
// request, made from its bearer token and refresh cookie. It never rejects a request, because a
// client with an expired token must still reach login. The Viewer loads the session on first use,
// with one query a request, so that a revoked session, a disabled account and a changed role take
// effect at once.
//
//	viewer := auth.ViewerFrom(ctx)
//	session, err := viewer.Session(ctx) // *auth.UnauthenticatedError, or the database's error
//
// Tokens are signed with a secret or with private keys. JWKS serves the public keys, so that other
// services verify tokens offline. Only this package imports golang-jwt and go-jose.
package auth

// Reason says why a request is not authenticated.
type Reason string

// The reasons, as clients see them. After Expired a client refreshes; after the others it signs in.
const (
	Missing Reason = "missing" // the request has no access token
	Expired Reason = "expired" // the token has expired
	Invalid Reason = "invalid" // this server did not issue the token
	Revoked Reason = "revoked" // session revoked or expired, or account disabled or deleted
)

// UnauthenticatedError reports that an operation requires a session and the request has none.
type UnauthenticatedError struct{ Reason Reason }

func (e *UnauthenticatedError) Error() string {
	switch e.Reason {
	case Missing:
		return "sign in first"
	case Expired:
		return "the access token has expired"
	case Revoked:
		return "the session has ended"
	}
	return "the access token is not valid"
}
