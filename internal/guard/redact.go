package guard

import (
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// redact removes all quoted values from errors about a document, in place. Documents may contain
// passwords: `login(password: "x\q")` does not parse, and the parser's message ends with the rest
// of the document. Names of fields, arguments and types are kept for the client's developer.
//
// The locations in an error say where to look, so little is lost.
func redact(errs gqlerror.List) {
	for _, err := range errs {
		switch err.Extensions["code"] {
		case errcode.ParseFailed:
			err.Message = redactSyntax(err.Message)
		case errcode.ValidationFailed:
			err.Message = redactValidation(err)
		}
		err.Message = truncate(err.Message, maxMessage)
		for i, element := range err.Path { // names of variables and of their members
			if name, ok := element.(ast.PathName); ok {
				err.Path[i] = ast.PathName(truncate(string(name), maxMessage))
			}
		}
	}
}

// maxMessage is the maximum length of an error message in bytes. A message about conflicting fields
// lists all conflicts within them.
const maxMessage = 1000

func truncate(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(text[:length], "") + "…"
}

// redactSyntax removes quoted tokens. The parser names tokens by kind ("Expected Name, found }").
// If it quotes one, the message contains a quotation mark or a backslash.
func redactSyntax(message string) string {
	if strings.ContainsAny(message, "\"\\") {
		return "Syntax error: unexpected token"
	}
	return message
}

func redactValidation(err *gqlerror.Error) string {
	switch {
	case strings.HasPrefix(err.Rule, "ValuesOfCorrectType"): // or …WithoutSuggestions
		return redactLiteral(err.Message)
	case err.Rule != "":
		return err.Message // the other rules quote names only
	case len(err.Path) > 0: // of variables: "x is not a valid Role", or without a quote
		if i := strings.LastIndex(err.Message, " is not a valid "); i >= 0 {
			return err.Message[i+len(" is "):]
		}
		return err.Message
	case strings.HasPrefix(err.Message, "operation "): // "operation x not found"
		return "operation not found"
	default:
		return err.Message
	}
}

// redactLiteral keeps the part of a message before the literal, and all of a message that quotes
// only names. It replaces unknown messages.
func redactLiteral(message string) string {
	if strings.HasPrefix(message, `Field "`) || strings.HasPrefix(message, "OneOf ") {
		return message
	}
	if before, _, ok := strings.Cut(message, " value: "); ok {
		return before + " value."
	}
	if before, _, ok := strings.Cut(message, ", found "); ok {
		return before + "."
	}
	if _, after, ok := strings.Cut(message, `" does not exist in `); ok {
		return "Value does not exist in " + after
	}
	return "A value does not fit its type."
}
