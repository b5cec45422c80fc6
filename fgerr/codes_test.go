package fgerr_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"fieldgate/fgerr"
)

// A constant that is missing in Codes would be available to products, and metrics would count it as
// a code of theirs.
func TestCodesListsEveryConstant(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "fgerr.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := 0
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			literal := spec.(*ast.ValueSpec).Values[0].(*ast.BasicLit)
			code, err := strconv.Unquote(literal.Value)
			if err != nil || !slices.Contains(fgerr.Codes(), code) {
				t.Errorf("Codes has no %s", literal.Value)
			}
			constants++
		}
	}
	if constants != len(fgerr.Codes()) {
		t.Errorf("%d constants, but Codes has %d", constants, len(fgerr.Codes()))
	}
}
