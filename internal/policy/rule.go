package policy

// Rule says who may use one field: Public, Role and OrOwner are in force, Reported is not yet.
type Rule struct {
	Type, Field string
	Root        bool        // a field of Query, Mutation or Subscription
	Public      bool        // anybody, signed in or not: by @public, or because all there is only reports; Role is "" then
	Role        string      // the role it takes, or one that includes it
	OrOwner     bool        // the owner of the object may too, whatever their role
	ReportOnly  Requirement // by @auth(reportOnly: true): whom this does not let through is reported, and let through; see Reports
	Credential  bool        // by @credential: it can be used once an operation
	Written     string      // as in the schema: "@auth(role: STAFF)"; a default that was left out stays out
	Line        int
}

// Requirement is what an @auth asks for.
type Requirement struct {
	Role    string // a role, or one that includes it
	OrOwner bool   // or that the object is one's own
}

// Enforced is what the rule asks for now. It asks for nothing if the rule is Public.
func (r Rule) Enforced() Requirement {
	return Requirement{r.Role, r.OrOwner}
}

// HasReportOnly reports whether there is a demand that only reports.
func (r Rule) HasReportOnly() bool {
	return r.ReportOnly != Requirement{}
}

// Coordinate names the field as GraphQL does: "Mutation.setUserRole".
func (r Rule) Coordinate() string {
	return r.Type + "." + r.Field
}
