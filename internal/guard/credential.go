package guard

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// credentialDirective marks the fields that take a password or a token, which clients could guess.
const credentialDirective = "credential"

// credentials records which fields of a schema take a credential.
type credentials struct {
	schema *ast.Schema
	fields map[*ast.FieldDefinition]bool
}

// credentialsOf reads the schema. An interface's field takes a credential if that of an
// implementing type does, because each call is a guess.
func credentialsOf(schema *ast.Schema) credentials {
	c := credentials{schema: schema, fields: map[*ast.FieldDefinition]bool{}}
	for _, definition := range schema.Types {
		for _, field := range definition.Fields {
			c.fields[field] = field.Directives.ForName(credentialDirective) != nil
		}
	}
	for _, definition := range schema.Types {
		for _, name := range definition.Interfaces {
			c.inherit(schema.Types[name], definition)
		}
	}
	return c
}

func (c credentials) inherit(from, to *ast.Definition) {
	for _, field := range from.Fields {
		if own := to.Fields.ForName(field.Name); own != nil && c.fields[own] {
			c.fields[field] = true
		}
	}
}

// usedBy reports whether a document has a field that takes a credential. Validation must have set
// the definitions of its fields.
func (c credentials) usedBy(document *ast.QueryDocument) bool {
	for _, operation := range document.Operations {
		if c.usedIn(operation.SelectionSet) {
			return true
		}
	}
	for _, fragment := range document.Fragments {
		if c.usedIn(fragment.SelectionSet) {
			return true
		}
	}
	return false
}

// usedIn does not follow spreads: usedBy visits each fragment definition.
func (c credentials) usedIn(set ast.SelectionSet) bool {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if c.fields[s.Definition] || c.usedIn(s.SelectionSet) {
				return true
			}
		case *ast.InlineFragment:
			if c.usedIn(s.SelectionSet) {
				return true
			}
		}
	}
	return false
}

// rootType returns the root type of an operation, or nil if the schema has none.
func (c credentials) rootType(operation ast.Operation) *ast.Definition {
	switch operation {
	case ast.Mutation:
		return c.schema.Mutation
	case ast.Subscription:
		return c.schema.Subscription
	default:
		return c.schema.Query
	}
}

// lookUpField returns the type of a field, or nil for an unknown field, and whether the field takes
// a credential.
func (c credentials) lookUpField(parent *ast.Definition, name string) (fieldType *ast.Definition, takesCredential bool) {
	if parent == nil {
		return nil, false
	}
	field := parent.Fields.ForName(name)
	if field == nil {
		return nil, false
	}
	return c.schema.Types[field.Type.Name()], c.fields[field]
}
