package e2e

import (
	"errors"
	"testing"

	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
	"fieldgate/servertest"
)

func TestAsAdminWithoutUserIsUnauthenticated(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p, admin := b.NewUser("USER"), b.internal.Accounts.AsAdmin(nil)
	_, role := admin.SetRole(t.Context(), p.ID, "ADMIN")
	_, disable := admin.Disable(t.Context(), p.ID)
	_, enable := admin.Enable(t.Context(), p.ID)
	_, revoke := admin.RevokeSessions(t.Context(), p.ID)
	_, erase := admin.Delete(t.Context(), p.ID, new(servertest.Password))
	for change, err := range map[string]error{
		"SetRole": role, "Disable": disable, "Enable": enable, "RevokeSessions": revoke, "Delete": erase,
	} {
		if want := (*auth.UnauthenticatedError)(nil); !errors.As(err, &want) {
			t.Errorf("%s: got %v, want *auth.UnauthenticatedError", change, err)
		}
	}
}
