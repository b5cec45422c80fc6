package viewer

import (
	"context"
	"errors"
	"testing"

	"fieldgate/internal/auth"
)

// A resolver of a @public field may use the result of Optional without a nil check.
func TestNilViewerIsAnonymous(t *testing.T) {
	t.Parallel()
	var v *Viewer
	if v.ID() != "" || v.User() != nil || v.SessionID() != "" || v.HasRole("USER") || v.HasRole("") || v.Owns(owned("")) || v.Owns(nil) {
		t.Error("the nil viewer has an identity, a role or an object")
	}
}

type owned string

func (o owned) OwnerID() string { return string(o) }

func TestContextWithoutRequestIsAnonymous(t *testing.T) {
	t.Parallel()
	if v, err := FromContext(context.Background()); v != nil || !errors.As(err, new(*auth.UnauthenticatedError)) {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := Optional(context.Background()); v != nil || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	if ip := IP(context.Background()); ip != "" {
		t.Errorf("got the address %q, want none", ip)
	}
}
