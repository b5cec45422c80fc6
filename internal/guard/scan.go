package guard

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// scanTokens reads the tokens of a document and checks the parser's depth without recursion. It
// uses the parser's own lexer, so both agree where a string or comment ends. A lexer error ends the
// scan, as it will end the parser.
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
			depth-- // an unmatched bracket is a parse error
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
