package guard

import (
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// BenchmarkDocuments compares the check of an uncached document with gqlgen's work on it.
func BenchmarkDocuments(b *testing.B) {
	d := newDocuments(b, Limits{})
	for _, bb := range []struct{ name, text string }{
		{"small", `{ me { id name } }`},
		{"fragments", `{ me { ...F friends { ...F ...G } } node { ...G } } fragment F on User { id name } fragment G on User { id friends { ...F } }`},
		{"introspection", graphqlJS},
	} {
		b.Run(bb.name+"/guard", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := d.check(bb.text, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bb.name+"/parse", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parser.ParseQuery(&ast.Source{Input: bb.text}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bb.name+"/validate", func(b *testing.B) {
			b.ReportAllocs()
			document, err := parser.ParseQuery(&ast.Source{Input: bb.text})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				_ = validator.ValidateWithRules(documentSchema, document, ValidationRules(true)())
			}
		})
	}
}
