package policy

import (
	"cmp"
	"encoding/json"
	"io"
)

// Document is the policy as WriteJSON writes it. Later versions may add members, but do not rename,
// remove or redefine them.
type Document struct {
	Roles  []RoleDocument  `json:"roles"`  // the weakest first
	Fields []FieldDocument `json:"fields"` // in the order of Rules
}

// RoleDocument is a role and the roles that it includes.
type RoleDocument struct {
	Role     string   `json:"role"`
	Includes []string `json:"includes"` // directly or not, without the role itself
}

// FieldDocument holds all rules of a field.
type FieldDocument struct {
	Field      string               `json:"field"`      // "Mutation.setUserRole"
	Rule       string               `json:"rule"`       // as in the schema; "" for @credential alone
	Public     bool                 `json:"public"`     // no sign-in required now
	Requires   *RequirementDocument `json:"requires"`   // enforced; null if the field is public
	ReportOnly *RequirementDocument `json:"reportOnly"` // null without a report-only rule
	Access     map[string]Access    `json:"access"`     // now, by role, and for "anonymous"
	Credential bool                 `json:"credential"` // can be used once per operation
	Limits     []LimitDocument      `json:"limits"`     // in the schema's order
}

// RequirementDocument is what an @auth requires.
type RequirementDocument struct {
	Role    string `json:"role"`
	OrOwner bool   `json:"orOwner"`
	// MaxAgeSeconds is how old the session's proof of identity may be; 0 is any age.
	MaxAgeSeconds float64 `json:"maxAgeSeconds"`
	MFA           string  `json:"mfa"` // a value of MfaRequirement
}

func requirementDocument(r Requirement) *RequirementDocument {
	return &RequirementDocument{r.Role, r.OrOwner, r.Proof.MaxAge.Seconds(), cmp.Or(r.Proof.MFA, MFANo)}
}

// LimitDocument is one @limit.
type LimitDocument struct {
	By            string  `json:"by"`
	Count         int     `json:"count"`
	WindowSeconds float64 `json:"windowSeconds"`
	Successes     bool    `json:"successes"`
	Failures      bool    `json:"failures"`
	Shared        string  `json:"shared"` // "" for the field's own count
}

// Document returns the policy in a form that programs can read.
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
		field.Requires = requirementDocument(rule.Enforced())
	}
	if rule.HasReportOnly() {
		field.ReportOnly = requirementDocument(rule.ReportOnly)
	}
	field.Access[anonymous], _ = p.Access(rule, "")
	for _, role := range p.hierarchy.roles {
		field.Access[role], _ = p.Access(rule, role)
	}
	for _, l := range p.Limits(rule.Type, rule.Field) {
		field.Limits = append(field.Limits,
			LimitDocument{l.By, l.Count, l.Window.Seconds(), l.Successes, !l.SuccessesOnly, l.Shared})
	}
	return field
}

// WriteJSON writes the policy's Document as indented JSON. It returns the error of w.
func (p *Policy) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(p.Document())
}
