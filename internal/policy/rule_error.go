package policy

import (
	"cmp"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// RuleError is one defect in a schema's rules, with its place and its fix.
type RuleError struct {
	Line int    // 0 if unknown, as in a schema built in Go
	File string // without its folder; "" if unknown
	// What the defect is in: "Query.me", "Query.user(id:)", "Role.STAFF", "enum Role", "@auth"
	Coordinate string
	Problem    string // continues the coordinate: "has neither @auth nor @public"
	Fix        string // what to write instead
}

// Error returns the defect on one line, in a form that editors can jump to:
// "schema.graphqls:41: Query.me has neither @auth nor @public: write …".
func (v *RuleError) Error() string {
	return v.location() + v.Coordinate + " " + v.Problem + ": " + v.Fix
}

func (v *RuleError) location() string {
	switch {
	case v.Line == 0:
		return ""
	case v.File == "":
		return "line " + strconv.Itoa(v.Line) + ": "
	default:
		return v.File + ":" + strconv.Itoa(v.Line) + ": "
	}
}

// errorList collects all defects, so that one run reports them together.
type errorList []*RuleError

func (r *errorList) addError(at *ast.Position, coordinate, problem, fix string) {
	v := &RuleError{Coordinate: coordinate, Problem: problem, Fix: fix}
	v.File, v.Line = locate(at)
	*r = append(*r, v)
}

// locate returns the file and line of a position. A schema built in Go may have no position, or one
// without a source. locate drops the folder, because gqlgen names sources relative to its generated
// package ("../../schema.graphqls").
func locate(at *ast.Position) (file string, line int) {
	if at == nil {
		return "", 0
	}
	if at.Src == nil || at.Src.Name == "" {
		return "", at.Line
	}
	return path.Base(at.Src.Name), at.Line
}

// err joins the errors, sorted by file and line. Errors of one line keep the order of the checks.
func (r errorList) err() error {
	slices.SortStableFunc(r, func(a, b *RuleError) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	joined := make([]error, len(r))
	for i, v := range r {
		joined[i] = v
	}
	return errors.Join(joined...)
}
