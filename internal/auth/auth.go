// Package auth answers who is asking.
//
// Tokens signs and verifies access tokens. Middleware gathers what a request brings, a bearer token and a
// refresh cookie, into a Viewer that it puts into the context; it never rejects a request, because somebody
// whose token has expired must still reach login. The Viewer judges when it is first asked, with one query
// a request, so that an ended session, a disabled account and a changed role count at once.
//
//	viewer := auth.ViewerFrom(ctx)
//	session, err := viewer.Session(ctx) // *auth.Unauthenticated, or the database's error
//
// Tokens are signed with a secret or with private keys, whose public halves JWKS serves, so that other services
// verify tokens without asking. It is the only package that knows golang-jwt and go-jose.
package auth

// Reason is why nobody valid is asking.
type Reason string

// The reasons, as clients see them. A client that gets Expired refreshes; with the others it signs in anew.
const (
	Missing Reason = "missing" // the request brought no token
	Expired Reason = "expired" // the token's time is up
	Invalid Reason = "invalid" // it is no token of ours
	Revoked Reason = "revoked" // the session has ended or its time is up, or the account is shut or gone
)

// UnauthenticatedError is the error of a question that takes a signed-in person when there is none.
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
