package graph

import (
	"errors"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// explain returns the extensions that only a development server adds to a denial: the caller's role
// and a hint on what to do. The message is the same as in production, so that no client comes to
// depend on the hint.
func explain(p *policy.Policy, err error) map[string]any {
	if unauthenticated := (*auth.UnauthenticatedError)(nil); errors.As(err, &unauthenticated) {
		return map[string]any{"hint": tokenHint(unauthenticated.Reason)}
	}
	if forbidden := asForbidden(err); forbidden != nil {
		return map[string]any{"have": forbidden.Have, "hint": roleHint(p, forbidden)}
	}
	if stepUp := (*StepUpRequiredError)(nil); errors.As(err, &stepUp) {
		return map[string]any{"hint": stepUpHint(stepUp)}
	}
	return nil
}

func tokenHint(reason auth.Reason) string {
	switch reason {
	case auth.Missing:
		return "Send the header `Authorization: Bearer ACCESS_TOKEN`. " +
			"The mutations register, login and refresh return an accessToken."
	case auth.Expired:
		return "The access token has expired. Get a new accessToken with the mutation refresh and send that one."
	case auth.Revoked:
		return "The session was revoked or has expired, or the account is disabled or deleted. " +
			"Sign in again with the mutation login."
	}
	return "Send one header `Authorization: Bearer ACCESS_TOKEN` with an accessToken of this server. " +
		"The server rejects tokens of another key, issuer or audience."
}

func stepUpHint(e *StepUpRequiredError) string {
	if len(e.Methods) == 0 {
		return "Enrol an authenticator app with the mutations beginTotp and enableTotp, " +
			"then repeat the operation."
	}
	return "Call the mutation confirmIdentity with one of the methods, then repeat the operation."
}

// roleHint says who can read or use the field, and how to grant the required role.
// A role can only be granted by an administrator whose own role includes it.
// So some roles need more than ADMIN, and some can be granted on the command line only.
func roleHint(p *policy.Policy, e *ForbiddenError) string {
	command := "`fieldgate user role EMAIL " + e.Requires + "`."
	var hint string
	switch granting := grantingRole(p, e.Requires); granting {
	case "":
		hint = "No role can grant " + e.Requires + " with setUserRole. Grant it on the server: " + command
	case policy.Admin:
		hint = "An ADMIN can grant " + e.Requires + " with setUserRole, or on the server: " + command
	default:
		hint = "A user with role " + granting + " can grant " + e.Requires + " with setUserRole, or on the server: " + command
	}
	if e.OrOwner {
		return "Only the owner or role " + e.Requires + " can read this field. " + hint
	}
	return hint
}

// grantingRole returns the weakest role that can grant a role, or "" if no role can.
func grantingRole(p *policy.Policy, role string) string {
	for _, granting := range p.Roles() {
		if p.Includes(granting, policy.Admin) && p.Includes(granting, role) {
			return granting
		}
	}
	return ""
}
