package graph

import (
	"errors"

	"fieldgate/internal/auth"
)

// explain says what only a developer should be told: who they are to the server, and how to ask for more. The
// message stays as it is in production, so that nobody builds on what is not there.
func explain(err error) map[string]any {
	var (
		unauthenticated *auth.Unauthenticated
		forbidden       *Forbidden
	)
	switch {
	case errors.As(err, &unauthenticated):
		return map[string]any{"hint": tokenHint(unauthenticated.Reason)}
	case errors.As(err, &forbidden):
		return map[string]any{"have": forbidden.Have, "hint": roleHint(forbidden)}
	}
	return nil
}

func tokenHint(reason auth.Reason) string {
	switch reason {
	case auth.Missing:
		return "send the header Authorization: Bearer ACCESS_TOKEN, with the accessToken that register, login or refresh answers"
	case auth.Expired:
		return "the mutation refresh makes a new accessToken; send that one from now on"
	case auth.Revoked:
		return "the session was ended or its time is up, or the account is shut or gone: login opens a new one"
	}
	return "send one header, Authorization: Bearer ACCESS_TOKEN, with nothing but an accessToken of this server's: " +
		"one of another key, issuer or audience does not count here"
}

func roleHint(e *Forbidden) string {
	hint := "an ADMIN can give a role with setUserRole, or: fieldgate user role EMAIL " + e.Requires
	if e.OrOwner {
		return "the person whom this belongs to may see it too, and that is somebody else; else " + hint
	}
	return hint
}
