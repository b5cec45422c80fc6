package guard

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// credentialDirective marks the fields of the schema that take a password or a
// token to be guessed.
const credentialDirective = "credential"

// credentials knows the types of a schema, and which of their fields take a
// credential.
type credentials struct {
	schema *ast.Schema
	fields map[*ast.FieldDefinition]bool
}

// credentialsOf reads the schema. A field of an interface counts if that of any
// type behind it does: it is the same guess.
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

// usedBy reports whether a document has a field that takes a credential. The
// validation has entered the definitions of its fields.
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

// usedIn follows no spread: fragments are looked at where they are defined.
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

// rootType is the type that an operation starts from; nil if the schema has none.
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

// lookUpField looks a field up in a type: the type that it answers, nil if there is
// no such field, and whether it takes a credential.
func (c credentials) lookUpField(parent *ast.Definition, name string) (answers *ast.Definition, takes bool) {
	if parent == nil {
		return nil, false
	}
	field := parent.Fields.ForName(name)
	if field == nil {
		return nil, false
	}
	return c.schema.Types[field.Type.Name()], c.fields[field]
}
