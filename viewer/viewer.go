// Package viewer gives the resolvers of a product the signed-in user.
//
//	v, err := viewer.FromContext(ctx)
//	if err != nil {
//		return nil, err
//	}
//	return r.App.Notes.Add(ctx, v.User(), text)
//
// Access rules belong in the schema, with @auth. Check a viewer's role only for what a rule cannot
// state, such as how much of a list a role may read.
package viewer

import (
	"context"
	"errors"

	"fieldgate/internal/auth"
	"fieldgate/models"
)

// Viewer is the signed-in user in its current state in the database. It is safe for concurrent use.
type Viewer struct {
	session      *models.Session
	includesRole func(have, want string) bool
}

// FromContext returns the viewer of a request. Behind @auth it succeeds. Elsewhere its error
// reaches the client as UNAUTHENTICATED, or as UNAVAILABLE if the database is unavailable. Return
// it unchanged.
//
// The first call of a request reads the database, unless @auth has done so. Later calls return the
// same viewer, unless the request itself changes it: after the field login, the viewer is the user
// who has signed in.
func FromContext(ctx context.Context) (*Viewer, error) {
	v := auth.ViewerFrom(ctx)
	session, err := v.Session(ctx)
	if err != nil {
		return nil, err
	}
	return &Viewer{session, v.IncludesRole}, nil
}

// Optional is FromContext for a @public field. For an anonymous request it returns nil without an
// error.
func Optional(ctx context.Context) (*Viewer, error) {
	v, err := FromContext(ctx)
	if errors.As(err, new(*auth.UnauthenticatedError)) {
		return nil, nil
	}
	return v, err
}

// ID returns the user's id, or "" for a nil Viewer.
func (v *Viewer) ID() string {
	if v == nil {
		return ""
	}
	return v.session.UserID
}

// User returns the user, or nil for a nil Viewer. Other requests share it, so do not change it.
func (v *Viewer) User() *models.User {
	if v == nil {
		return nil
	}
	return v.session.User
}

// SessionID returns the id of the session, or "" for a nil Viewer.
func (v *Viewer) SessionID() string {
	if v == nil {
		return ""
	}
	return v.session.ID
}

// HasRole reports whether the user has the role, or a role that includes it by @includes in the
// schema. It returns false for a nil Viewer, and for a role that the schema does not have.
func (v *Viewer) HasRole(role string) bool {
	return v != nil && v.includesRole(v.session.User.Role, role)
}

// Owns reports whether the object's OwnerID is the user's id. An object without OwnerID has no
// owner.
func (v *Viewer) Owns(object any) bool {
	owned, ok := object.(interface{ OwnerID() string })
	return v != nil && ok && v.ID() != "" && owned.OwnerID() == v.ID()
}

// IP returns the client's address according to TRUSTED_PROXIES, or "" if it is unknown.
func IP(ctx context.Context) string { return auth.ViewerFrom(ctx).Client().IP }
