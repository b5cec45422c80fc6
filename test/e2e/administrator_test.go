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
	p, nobody := b.NewUser("USER"), b.internal.Accounts.AsAdmin(nil)
	_, role := nobody.SetRole(t.Context(), p.ID, "ADMIN")
	_, disable := nobody.Disable(t.Context(), p.ID)
	_, enable := nobody.Enable(t.Context(), p.ID)
	_, end := nobody.RevokeSessions(t.Context(), p.ID)
	_, erase := nobody.Delete(t.Context(), p.ID, new(servertest.Password))
	for change, err := range map[string]error{"SetRole": role, "Disable": disable, "Enable": enable, "EndSessions": end, "Delete": erase} {
		if refused := (*auth.UnauthenticatedError)(nil); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want *auth.Unauthenticated", change, err)
		}
	}
}
