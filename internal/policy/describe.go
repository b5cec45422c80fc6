package policy

import "slices"

// Describe says in one sentence what a rule of the policy requires: "Requires role STAFF or ownership." A demand that only
// reports follows in a second one.
func (p *Policy) Describe(rule Rule) string {
	text := "Public."
	if !rule.Public {
		text = "Requires " + p.describeRequirement(rule.Enforced()) + "."
	}
	if rule.HasReportOnly() {
		text += " A rule that only reports requires " + p.describeRequirement(rule.ReportOnly) + "."
	}
	return text
}

func (p *Policy) describeRequirement(d Requirement) string {
	weaker := func(role string) bool { return !p.Includes(role, d.Role) }
	switch {
	case !slices.ContainsFunc(p.hierarchy.roles, weaker):
		return "a signed-in user"
	case d.OrOwner:
		return "role " + d.Role + " or ownership"
	}
	return "role " + d.Role
}
