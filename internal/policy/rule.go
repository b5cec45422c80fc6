package policy

// Rule says who may use one field.
type Rule struct {
	Type, Field string
	Root        bool   // a field of Query, Mutation or Subscription
	Public      bool   // anybody, signed in or not; Role is "" then
	Role        string // the role it takes, or one that includes it
	OrOwner     bool   // the owner of the object may too, whatever their role
	Written     string // as in the schema: "@auth(role: STAFF)"; a default that was left out stays out
	Line        int
}

// Coordinate names the field as GraphQL does: "Mutation.setUserRole".
func (r Rule) Coordinate() string {
	return r.Type + "." + r.Field
}
