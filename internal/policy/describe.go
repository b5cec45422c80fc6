package policy

import "slices"

// Describe returns a sentence on what a rule requires: "Requires role STAFF or ownership." A second
// sentence describes the report-only requirement, if the rule has one.
func (p *Policy) Describe(rule Rule) string {
	text := "Public."
	if !rule.Public {
		text = "Requires " + p.describeRequirement(rule.Enforced()) + "."
	}
	if rule.HasReportOnly() {
		text += " A report-only rule requires " + p.describeRequirement(rule.ReportOnly) + "."
	}
	return text
}

func (p *Policy) describeRequirement(d Requirement) string {
	weaker := func(role string) bool { return !p.Includes(role, d.Role) }
	who := "role " + d.Role
	switch {
	case !slices.ContainsFunc(p.hierarchy.roles, weaker):
		who = "a signed-in user"
	case d.OrOwner:
		who += " or ownership"
	}
	return who + d.Proof.describe()
}
