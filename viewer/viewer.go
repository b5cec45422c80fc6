// Package viewer tells the resolvers of a product which user is signed in.
//
//	v, err := viewer.FromContext(ctx)
//	if err != nil {
//		return nil, err
//	}
//	return r.App.Notes.Add(ctx, v.User(), text)
//
// Who may use a field is written in the schema, by @auth, and nowhere else. Ask a viewer's role only for what a rule cannot
// say, such as how much of a list a role reads.
package viewer

import (
	"context"
	"errors"

	"fieldgate/internal/auth"
	"fieldgate/models"
)

// Viewer is the person who is signed in, as the database has them now. It is safe for use by many goroutines.
type Viewer struct {
	session      *models.Session
	includesRole func(have, want string) bool
}

// FromContext returns the viewer of a request. Behind @auth there is one. Elsewhere the error may be one that the client
// gets as UNAUTHENTICATED; or UNAVAILABLE, if the database does not answer. Return it as it is.
//
// The first call of a request asks the database, unless @auth has done so; later ones get the same answer. What the request
// itself changes counts: after a login field the viewer is the person who has signed in.
func FromContext(ctx context.Context) (*Viewer, error) {
	v := auth.ViewerFrom(ctx)
	session, err := v.Session(ctx)
	if err != nil {
		return nil, err
	}
	return &Viewer{session, v.IncludesRole}, nil
}

// Optional is FromContext for a field that is @public. It returns nil without an error for an anonymous request.
func Optional(ctx context.Context) (*Viewer, error) {
	v, err := FromContext(ctx)
	if errors.As(err, new(*auth.UnauthenticatedError)) {
		return nil, nil
	}
	return v, err
}

// ID returns the user's id. Of nil it is "".
func (v *Viewer) ID() string {
	if v == nil {
		return ""
	}
	return v.session.UserID
}

// User returns the user. It is shared with other requests: change nothing in it. Of nil it is nil.
func (v *Viewer) User() *models.User {
	if v == nil {
		return nil
	}
	return v.session.User
}

// SessionID returns the id of the session. Of nil it is "".
func (v *Viewer) SessionID() string {
	if v == nil {
		return ""
	}
	return v.session.ID
}

// HasRole reports whether the user has the role, or one that includes it by the schema's @includes. Of nil, and of a role that
// the schema does not have, it is false.
func (v *Viewer) HasRole(role string) bool {
	return v != nil && v.includesRole(v.session.User.Role, role)
}

// Owns reports whether the object belongs to the user: its OwnerID is the user's id. An object without OwnerID belongs to
// no user.
func (v *Viewer) Owns(object any) bool {
	owned, ok := object.(interface{ OwnerID() string })
	return v != nil && ok && v.ID() != "" && owned.OwnerID() == v.ID()
}

// IP returns the address that the request comes from, by TRUSTED_PROXIES; "" if it is not known.
func IP(ctx context.Context) string { return auth.ViewerFrom(ctx).Client().IP }
