package graph

import (
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

// withRuleDescriptions returns a copy of a schema that appends each field's rule to its
// description. Tools that use introspection then show the rule.
func withRuleDescriptions(schema *ast.Schema, p *policy.Policy) *ast.Schema {
	s := *schema
	copies := make(map[*ast.Definition]*ast.Definition, len(schema.Types))
	s.Types = make(map[string]*ast.Definition, len(schema.Types))
	for name, def := range schema.Types {
		copies[def] = withFieldRules(def, p)
		s.Types[name] = copies[def]
	}
	s.Query, s.Mutation, s.Subscription = copies[schema.Query], copies[schema.Mutation], copies[schema.Subscription]
	s.PossibleTypes = replaceDefinitions(schema.PossibleTypes, copies)
	s.Implements = replaceDefinitions(schema.Implements, copies)
	return &s
}

func replaceDefinitions(
	lists map[string][]*ast.Definition, copies map[*ast.Definition]*ast.Definition,
) map[string][]*ast.Definition {
	out := make(map[string][]*ast.Definition, len(lists))
	for name, list := range lists {
		for _, def := range list {
			out[name] = append(out[name], copies[def])
		}
	}
	return out
}

func withFieldRules(def *ast.Definition, p *policy.Policy) *ast.Definition {
	d := *def
	d.Fields = make(ast.FieldList, len(def.Fields))
	for i, field := range def.Fields {
		d.Fields[i] = field
		if rule, ok := p.Rule(def.Name, field.Name); ok {
			f := *field
			f.Description = appendParagraph(field.Description, p.Describe(rule))
			d.Fields[i] = &f
		}
	}
	return &d
}

// appendParagraph adds a paragraph to a description, which is Markdown.
func appendParagraph(description, line string) string {
	if description == "" {
		return line
	}
	return description + "\n\n" + line
}
