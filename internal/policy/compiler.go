package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// The directives of rules, and the enum of roles.
const (
	authDirective     = "auth"
	publicDirective   = "public"
	includesDirective = "includes"
	limitDirective    = "limit"

	credentialDirective = "credential"
	roleEnum            = "Role"
)

// compiler is the state of one [Compile]. Each check reads the schema, stores its result and adds
// its errors.
type compiler struct {
	errorList
	schema *ast.Schema
	types  []*ast.Definition // in source order

	hierarchy roleHierarchy
	rules     []Rule
	open      []Rule // fields with @credential and without a rule
	limits    map[fieldKey][]Limit
}

// roots returns the root types, whatever their names.
func (c *compiler) roots() []*ast.Definition {
	var roots []*ast.Definition
	for _, def := range []*ast.Definition{c.schema.Query, c.schema.Mutation, c.schema.Subscription} {
		if def != nil && !slices.Contains(roots, def) {
			roots = append(roots, def)
		}
	}
	return roots
}

// inSourceOrder sorts the types of the schema's map by file name and position, so that every run
// reports the same.
func inSourceOrder(types map[string]*ast.Definition) []*ast.Definition {
	return slices.SortedFunc(maps.Values(types), func(a, b *ast.Definition) int {
		aFile, aLine, aStart := origin(a.Position)
		bFile, bLine, bStart := origin(b.Position)
		return cmp.Or(
			strings.Compare(aFile, bFile), cmp.Compare(aLine, bLine), cmp.Compare(aStart, bStart),
			strings.Compare(a.Name, b.Name),
		)
	})
}

// origin is locate for sorting: it keeps the folder, and adds the offset that orders two types on
// one line.
func origin(at *ast.Position) (file string, line, start int) {
	if at == nil {
		return "", 0, 0
	}
	if at.Src != nil {
		file = at.Src.Name
	}
	return file, at.Line, at.Start
}
