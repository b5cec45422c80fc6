package main

import (
	"errors"
	"testing"

	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
)

func TestAdministratorWithoutAUserHasNoRights(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p, nobody := b.newPerson("USER"), b.accounts.AsAdmin(nil)
	_, role := nobody.SetRole(t.Context(), p.id, "ADMIN")
	_, disable := nobody.Disable(t.Context(), p.id)
	_, enable := nobody.Enable(t.Context(), p.id)
	_, end := nobody.EndSessions(t.Context(), p.id)
	_, erase := nobody.Delete(t.Context(), p.id, new(goodPassword))
	for change, err := range map[string]error{"SetRole": role, "Disable": disable, "Enable": enable, "EndSessions": end, "Delete": erase} {
		if refused := (*auth.Unauthenticated)(nil); !errors.As(err, &refused) {
			t.Errorf("%s: got %v, want *auth.Unauthenticated", change, err)
		}
	}
}
