package policy

import (
	"encoding/json"
	"io"
)

// Document is the policy as WriteJSON writes it. Members are added to it, and never renamed, removed or given another
// meaning.
type Document struct {
	Roles  []RoleDocument  `json:"roles"`  // the weakest first
	Fields []FieldDocument `json:"fields"` // in the order of Rules
}

// RoleDocument is a role of the ladder.
type RoleDocument struct {
	Role     string   `json:"role"`
	Includes []string `json:"includes"` // all that it includes but itself, at whatever distance
}

// FieldDocument is all that the schema says of a field.
type FieldDocument struct {
	Field      string               `json:"field"`      // "Mutation.setUserRole"
	Rule       string               `json:"rule"`       // as the schema writes it; "" if the field has @credential only
	Public     bool                 `json:"public"`     // nothing is asked for now
	Requires   *RequirementDocument `json:"requires"`   // what is in force; null if the field is public
	ReportOnly *RequirementDocument `json:"reportOnly"` // what is only reported; null if nothing is
	Access     map[string]Access    `json:"access"`     // now, by role, and for "anonymous"
	Credential bool                 `json:"credential"` // once an operation
	Limits     []LimitDocument      `json:"limits"`     // in the schema's order
}

// RequirementDocument is what an @auth asks for.
type RequirementDocument struct {
	Role    string `json:"role"`
	OrOwner bool   `json:"orOwner"`
}

// LimitDocument is one @limit.
type LimitDocument struct {
	By            string  `json:"by"`
	Count         int     `json:"count"`
	WindowSeconds float64 `json:"windowSeconds"`
	Successes     bool    `json:"successes"`
	Failures      bool    `json:"failures"`
	Shared        string  `json:"shared"` // "" is the field's own count
}

// Document returns the whole policy, for programs.
func (p *Policy) Document() Document {
	d := Document{Roles: []RoleDocument{}, Fields: []FieldDocument{}}
	for _, role := range p.hierarchy.roles {
		d.Roles = append(d.Roles, RoleDocument{role, p.included(role)})
	}
	for _, rule := range p.fields() {
		d.Fields = append(d.Fields, p.fieldDocument(rule))
	}
	return d
}

func (p *Policy) fieldDocument(rule Rule) FieldDocument {
	field := FieldDocument{
		Field: rule.Coordinate(), Rule: rule.Written, Public: rule.Public, Credential: rule.Credential,
		Access: map[string]Access{}, Limits: []LimitDocument{},
	}
	if !rule.Public {
		field.Requires = &RequirementDocument{rule.Role, rule.OrOwner}
	}
	if rule.HasReportOnly() {
		field.ReportOnly = new(RequirementDocument(rule.ReportOnly))
	}
	field.Access[anonymous], _ = p.Access(rule, "")
	for _, role := range p.hierarchy.roles {
		field.Access[role], _ = p.Access(rule, role)
	}
	for _, l := range p.Limits(rule.Type, rule.Field) {
		field.Limits = append(field.Limits, LimitDocument{l.By, l.Count, l.Window.Seconds(), l.Successes, !l.SuccessesOnly, l.Shared})
	}
	return field
}

// WriteJSON writes the policy's Document, indented. The error is w's.
func (p *Policy) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(p.Document())
}
