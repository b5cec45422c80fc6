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

// RuleError is one defect in a schema's rules, worded for the person who mends it.
type RuleError struct {
	Line       int    // 0 if the schema was not read from a text
	File       string // without its folder; "" if unknown
	Coordinate string // what is wrong: "Query.me", "Query.user(id:)", "Role.STAFF", "enum Role", "@auth"
	Problem    string // continues the coordinate: "has neither @auth nor @public"
	Fix        string // what to write instead
}

// Error says it all in one line that an editor can jump to:
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

// errorList gathers violations, so that one run shows them all.
type errorList []*RuleError

func (r *errorList) addError(at *ast.Position, coordinate, problem, fix string) {
	v := &RuleError{Coordinate: coordinate, Problem: problem, Fix: fix}
	v.File, v.Line = locate(at)
	*r = append(*r, v)
}

// locate tolerates what only a schema built by hand has: no position, or one without a source. The folder is dropped
// because gqlgen names sources as seen from its generated package ("../../schema.graphqls").
func locate(at *ast.Position) (file string, line int) {
	if at == nil {
		return "", 0
	}
	if at.Src == nil || at.Src.Name == "" {
		return "", at.Line
	}
	return path.Base(at.Src.Name), at.Line
}

// err sorts by file, then line; violations of one line stay in the order of the checks.
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
