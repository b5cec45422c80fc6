package policy

// Rule is the access rule of one field. Public, Role and OrOwner are enforced; ReportOnly is not.
type Rule struct {
	Type, Field string

	// Root marks a field of Query, Mutation or Subscription.
	Root bool
	// Public means that no sign-in is required: by @public, or because the only @auth is
	// report-only. Role is "" then.
	Public bool
	// Role is the required role. Roles that include it are admitted too.
	Role string
	// OrOwner also admits the owner of the object, whatever their role.
	OrOwner bool
	// Proof is what the session's proof of identity must meet, for the role and for the owner.
	Proof Proof
	// ReportOnly is the requirement of @auth(reportOnly: true). What it would deny is allowed and
	// reported.
	ReportOnly Requirement
	// Credential marks a field with @credential, which can be used once per operation.
	Credential bool
	// Written is the rule as in the schema: "@auth(role: STAFF)", without omitted defaults.
	Written string
	Line    int
}

// Requirement is what an @auth requires of the signed-in user.
type Requirement struct {
	Role    string // this role, or a role that includes it
	OrOwner bool   // or ownership of the object
	Proof   Proof  // and, in both cases, this proof of identity
}

// Enforced returns the enforced requirement. It is zero if the rule is Public.
func (r Rule) Enforced() Requirement {
	return Requirement{r.Role, r.OrOwner, r.Proof}
}

// HasReportOnly reports whether the rule has a report-only requirement.
func (r Rule) HasReportOnly() bool {
	return r.ReportOnly != Requirement{}
}

// Coordinate returns the field's schema coordinate: "Mutation.setUserRole".
func (r Rule) Coordinate() string {
	return r.Type + "." + r.Field
}
