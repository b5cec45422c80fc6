package guard

import (
	"strings"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// redact takes out of errors about a document whatever they quote of the values
// in it, in place. Documents carry passwords too: `login(password: "x\q")` does
// not parse, and the parser's message ends with the rest of the document.
// Names of fields, arguments and types stay: a client's developer needs them.
//
// An error's locations say where to look, so little is lost.
func redact(errs gqlerror.List) {
	for _, err := range errs {
		switch err.Extensions["code"] {
		case errcode.ParseFailed:
			err.Message = redactSyntax(err.Message)
		case errcode.ValidationFailed:
			err.Message = redactValidation(err)
		}
		err.Message = truncate(err.Message, maxMessage)
		for i, element := range err.Path { // which holds names of variables and of what is in them
			if name, ok := element.(ast.PathName); ok {
				err.Path[i] = ast.PathName(truncate(string(name), maxMessage))
			}
		}
	}
}

// maxMessage is the most that is said of one mistake, in bytes. A message about
// fields that conflict lists all that conflicts within them.
const maxMessage = 1000

func truncate(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(text[:length], "") + "…"
}

// redactSyntax: the parser names tokens by kind ("Expected Name, found }") and,
// where it quotes one, does so in quotation marks or behind a backslash.
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
	case len(err.Path) > 0: // variables: "x is not a valid Role", or nothing quoted
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

// redactLiteral keeps the part of a message before the literal, and the whole
// of those messages that quote names only. What it does not know it replaces.
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
