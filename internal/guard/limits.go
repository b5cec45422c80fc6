package guard

import (
	"cmp"
	"fmt"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/fgerr"
)

// Limits bound the complexity of a document. They are checked before any of it is executed. A limit
// of 0 is that of [DefaultLimits].
//
// "Expanded" means that a fragment counts at each place where it is spread, as in execution. Fields
// with @skip or @include count too, because each request may include them.
type Limits struct {
	Tokens           int // of the document; a comment is one too
	NameLength       int // of any name, in bytes
	Nesting          int // depth of nested brackets of all kinds
	Operations       int // in the document
	Fragments        int // definitions
	Variables        int // definitions, in all operations together
	VariableValues   int // values in the request's variables, at every level
	Directives       int // in the document
	NodeDirectives   int // at one location
	Depth            int // fields within fields, expanded
	Fields           int // in all operations together, expanded
	Aliases          int // in all operations together, expanded
	QueryFields      int // root fields of a query, expanded
	MutationFields   int // root fields of a mutation, expanded
	Introspection    int // __schema and __type in all operations together, expanded
	CredentialFields int // fields marked @credential in one operation, expanded
	Cost             int // of one operation, expanded: fields times list items; see cost.go
	ValidationSteps  int // comparisons of fields that share a response position
}

// DefaultLimits leave room for several times what the largest pages of real clients request, and
// for the introspection queries of their tools. The largest of those has 184 tokens and, expanded,
// 230 fields in 15 levels. No document within these limits was found to cost more than 25 trivial
// requests, or 4 ms; ValidationSteps ensures that.
//
// Clients such as Apollo and urql send one operation per document, add __typename to each selection
// set and seldom use aliases. They never select two root fields that take a password, because they
// batch by sending more requests.
var DefaultLimits = Limits{
	Tokens:           2000,
	NameLength:       128,
	Nesting:          32,
	Operations:       10,
	Fragments:        50,
	Variables:        100,
	VariableValues:   5000,
	Directives:       100,
	NodeDirectives:   10,
	Depth:            16,
	Fields:           1000,
	Aliases:          100,
	QueryFields:      50,
	MutationFields:   10,
	Introspection:    5,
	CredentialFields: 1,
	Cost:             10000,
	ValidationSteps:  10000,
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	return Limits{
		Tokens:           cmp.Or(l.Tokens, d.Tokens),
		NameLength:       cmp.Or(l.NameLength, d.NameLength),
		Nesting:          cmp.Or(l.Nesting, d.Nesting),
		Operations:       cmp.Or(l.Operations, d.Operations),
		Fragments:        cmp.Or(l.Fragments, d.Fragments),
		Variables:        cmp.Or(l.Variables, d.Variables),
		VariableValues:   cmp.Or(l.VariableValues, d.VariableValues),
		Directives:       cmp.Or(l.Directives, d.Directives),
		NodeDirectives:   cmp.Or(l.NodeDirectives, d.NodeDirectives),
		Depth:            cmp.Or(l.Depth, d.Depth),
		Fields:           cmp.Or(l.Fields, d.Fields),
		Aliases:          cmp.Or(l.Aliases, d.Aliases),
		QueryFields:      cmp.Or(l.QueryFields, d.QueryFields),
		MutationFields:   cmp.Or(l.MutationFields, d.MutationFields),
		Introspection:    cmp.Or(l.Introspection, d.Introspection),
		CredentialFields: cmp.Or(l.CredentialFields, d.CredentialFields),
		Cost:             cmp.Or(l.Cost, d.Cost),
		ValidationSteps:  cmp.Or(l.ValidationSteps, d.ValidationSteps),
	}
}

// limitNames maps the name of a limit in extensions.limit to what it counts.
var limitNames = map[string]string{
	"tokens":           "tokens",
	"nameLength":       "bytes in a name",
	"nesting":          "levels of nested brackets",
	"operations":       "operations",
	"fragments":        "fragments",
	"variables":        "variables",
	"variableValues":   "values in the variables",
	"directives":       "directives",
	"nodeDirectives":   "directives at one location",
	"depth":            "levels of fields",
	"fields":           "fields (those of a fragment count at each spread)",
	"aliases":          "aliases (those of a fragment count at each spread)",
	"rootFields":       "root fields in one operation",
	"introspection":    "__schema and __type fields",
	"credentialFields": "field that takes a password or a token in one operation",
	"cost":             "cost points (1 per field, and per list item 10 plus its fields)",
	"validation":       "validation steps (too many fields or fragments share one response position)",
}

func tooComplex(limit string, maximum int) *gqlerror.Error {
	err := Error(fgerr.QueryTooComplex, fmt.Sprintf("query too complex: more than %d %s", maximum, limitNames[limit]))
	err.Extensions["limit"] = limit
	err.Extensions["max"] = maximum
	return err
}

// checkLimit returns nil unless n exceeds the limit.
func checkLimit(limit string, n, maximum int) *gqlerror.Error {
	if n <= maximum {
		return nil
	}
	return tooComplex(limit, maximum)
}
