package policy

import "slices"

// Describe says in one sentence what a rule of the policy requires: "Requires role STAFF or ownership." A demand that only
// reports follows in a second one.
func (p *Policy) Describe(rule Rule) string {
	text := "Public."
	if !rule.Public {
		text = "Requires " + p.demanded(rule.InForce()) + "."
	}
	if rule.Reports() {
		text += " A rule that only reports requires " + p.demanded(rule.Reported) + "."
	}
	return text
}

func (p *Policy) demanded(d Demand) string {
	weaker := func(role string) bool { return !p.Includes(role, d.Role) }
	switch {
	case !slices.ContainsFunc(p.ladder.roles, weaker):
		return "a signed-in user"
	case d.OrOwner:
		return "role " + d.Role + " or ownership"
	}
	return "role " + d.Role
}
