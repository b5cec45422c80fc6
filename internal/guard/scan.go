package guard

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// scanTokens reads the tokens of a document, and so knows how deep the parser would
// go without going there. It is the parser's own lexer that reads them: there is
// one opinion on where a string or a comment ends. An error of the lexer ends
// the scan, as it will end the parser.
func scanTokens(source *ast.Source, limits Limits) *gqlerror.Error {
	tokens, depth, directives := 0, 0, 0
	for lex := lexer.New(source); ; {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return nil
		}
		if tokens++; tokens > limits.Tokens {
			return tooComplex("tokens", limits.Tokens)
		}
		switch token.Kind {
		case lexer.BraceL, lexer.BracketL, lexer.ParenL:
			if depth++; depth > limits.Nesting {
				return tooComplex("nesting", limits.Nesting)
			}
		case lexer.BraceR, lexer.BracketR, lexer.ParenR:
			depth-- // one that does not match ends the parser
		case lexer.At:
			if directives++; directives > limits.Directives {
				return tooComplex("directives", limits.Directives)
			}
		case lexer.Name:
			if len(token.Value) > limits.NameLength {
				return tooComplex("nameLength", limits.NameLength)
			}
		}
	}
}
