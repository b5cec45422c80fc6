package graph

import (
	"errors"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// explain says what only a developer should be told: who they are to the server, and how to ask for more. The
// message stays as it is in production, so that nobody builds on what is not there.
func explain(p *policy.Policy, err error) map[string]any {
	if unauthenticated := (*auth.UnauthenticatedError)(nil); errors.As(err, &unauthenticated) {
		return map[string]any{"hint": tokenHint(unauthenticated.Reason)}
	}
	if forbidden := asForbidden(err); forbidden != nil {
		return map[string]any{"have": forbidden.Have, "hint": roleHint(p, forbidden)}
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

// roleHint says who can give the role. Nobody gives one that is above them, so that may be more than an ADMIN, or whoever
// runs the server alone.
func roleHint(p *policy.Policy, e *ForbiddenError) string {
	command := "fieldgate user role EMAIL " + e.Requires
	hint := "nobody can give this role but whoever runs the server: " + command
	switch giver := grantingRole(p, e.Requires); giver {
	case "":
	case policy.Admin:
		hint = "an ADMIN can give a role with setUserRole, or: " + command
	default:
		hint = "somebody with the role " + giver + " can give a role with setUserRole, or: " + command
	}
	if e.OrOwner {
		return "the person whom this belongs to may see it too, and that is somebody else; else " + hint
	}
	return hint
}

// grantingRole is the weakest role whose people may give a role; "" is none.
func grantingRole(p *policy.Policy, role string) string {
	for _, giver := range p.Roles() {
		if p.Includes(giver, policy.Admin) && p.Includes(giver, role) {
			return giver
		}
	}
	return ""
}
