package guard

import (
	"cmp"
	"fmt"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/fgerr"
)

// Limits bound what a document may ask for, before anything of it is done. A
// limit that is 0 is that of [DefaultLimits].
//
// "Expanded" counts what a fragment holds once more for every place where it is
// spread, as executing it does. @skip and @include exempt nothing: what they
// leave out may change with every request of the same document.
type Limits struct {
	Tokens           int // of the document; a comment is one too
	NameLength       int // of anything that has a name, in bytes
	Nesting          int // brackets of all kinds within one another
	Operations       int // in the document
	Fragments        int // definitions
	Variables        int // definitions, in all operations together
	VariableValues   int // countLiterals in the request's variables, at every level
	Directives       int // in the document
	NodeDirectives   int // at one place
	Depth            int // fields within fields, expanded
	Fields           int // in all operations together, expanded
	Aliases          int // in all operations together, expanded
	QueryFields      int // rootType fields of a query, expanded
	MutationFields   int // rootType fields of a mutation, expanded
	Introspection    int // __schema and __type in all operations together, expanded
	CredentialFields int // fields marked @credential in one operation, expanded
	Cost             int // of one operation, expanded: fields, times the items of lists; see cost.go
	ValidationSteps  int // what it takes to compare fields that share a place in the answer
}

// DefaultLimits leave room for several times what the big pages of real clients
// ask for, and for the introspection queries of their tools. The largest of
// those has 184 tokens and, expanded, 230 fields in 15 levels. And no document within them was found to cost more than 25
// trivial requests, or 4 ms, which is what ValidationSteps sees to.
//
// Clients as Apollo and urql give one operation a document, add __typename to
// each selection set, seldom use an alias, and never ask for two root fields
// that take a password: batching is done by sending more requests.
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

// limitNames are what clients know the limits by, in extensions.limit, and what
// each counts.
var limitNames = map[string]string{
	"tokens":           "tokens",
	"nameLength":       "bytes in one name",
	"nesting":          "brackets within one another",
	"operations":       "operations",
	"fragments":        "fragments",
	"variables":        "variables",
	"variableValues":   "values in its variables",
	"directives":       "directives",
	"nodeDirectives":   "directives at one place",
	"depth":            "levels of fields",
	"fields":           "fields, those of fragments counted wherever they are spread",
	"aliases":          "aliases, those of fragments counted wherever they are spread",
	"rootFields":       "root fields in one operation",
	"introspection":    "fields __schema and __type, each of which answers the whole schema if asked",
	"credentialFields": "field in one operation that takes a password or a token",
	"cost":             "in cost: one for each field, and for each item of a list ten more than its fields cost",
	"validation":       "steps to validate: many fields or fragments share one place in the answer",
}

func tooComplex(limit string, maximum int) *gqlerror.Error {
	err := Error(fgerr.QueryTooComplex, fmt.Sprintf("too complex: more than %d %s", maximum, limitNames[limit]))
	err.Extensions["limit"] = limit
	err.Extensions["max"] = maximum
	return err
}

// checkLimit is nil as long as n is not over the limit.
func checkLimit(limit string, n, maximum int) *gqlerror.Error {
	if n <= maximum {
		return nil
	}
	return tooComplex(limit, maximum)
}
