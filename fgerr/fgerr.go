// Package fgerr holds the error codes of the API and makes the errors that resolvers of a product return.
//
// An error of New reaches the client with its code, message and extensions, also when it is wrapped with %w. Every
// other error that the server does not know is masked as INTERNAL and logged once:
//
//	return nil, fgerr.New("OUT_OF_STOCK", "only 3 are left", map[string]any{"available": 3})
package fgerr

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The codes that a product may use for errors of its own too.
const (
	Forbidden    = "FORBIDDEN"
	BadUserInput = "BAD_USER_INPUT"
	NotFound     = "NOT_FOUND"
	Conflict     = "CONFLICT"
	RateLimited  = "RATE_LIMITED"
	Overloaded   = "OVERLOADED"
	Unavailable  = "UNAVAILABLE"
)

// The codes that only Fieldgate returns: clients act on them without asking the product.
const (
	Unauthenticated            = "UNAUTHENTICATED"
	InvalidCredentials         = "INVALID_CREDENTIALS"
	InvalidToken               = "INVALID_TOKEN"
	ProofRequired              = "PROOF_REQUIRED"
	EmailTaken                 = "EMAIL_TAKEN"
	EmailNotVerified           = "EMAIL_NOT_VERIFIED"
	QueryTooComplex            = "QUERY_TOO_COMPLEX"
	PersistedQueryNotSupported = "PERSISTED_QUERY_NOT_SUPPORTED"
	GraphQLParseFailed         = "GRAPHQL_PARSE_FAILED"
	GraphQLValidationFailed    = "GRAPHQL_VALIDATION_FAILED"
	Internal                   = "INTERNAL"
)

var (
	sharedCodes   = []string{Forbidden, BadUserInput, NotFound, Conflict, RateLimited, Overloaded, Unavailable}
	reservedCodes = []string{
		Unauthenticated, InvalidCredentials, InvalidToken, ProofRequired, EmailTaken, EmailNotVerified,
		QueryTooComplex, PersistedQueryNotSupported, GraphQLParseFailed, GraphQLValidationFailed, Internal,
	}
)

// Codes returns every code of Fieldgate.
func Codes() []string { return slices.Concat(sharedCodes, reservedCodes) }

// Error is an error that the client may see as it is.
type Error struct {
	code, message string
	extensions    map[string]any
}

// New returns an error that the client gets with this code, this message and these extensions.
//
// The code matches ^[A-Z][A-Z0-9_]*$. It is the product's own, or one of FORBIDDEN, BAD_USER_INPUT, NOT_FOUND,
// CONFLICT, RATE_LIMITED, OVERLOADED and UNAVAILABLE. The other codes of this package are reserved. An error with a
// wrong or reserved code, or with an extension that is not JSON, reaches the client as INTERNAL; the log says why.
//
// The extensions "code" and "requestId" are the server's and are ignored. The extension "retryAfter", an int of
// seconds, also sets the header Retry-After. An @limit does not count executions that end in BAD_USER_INPUT,
// OVERLOADED or UNAVAILABLE, unless they have hashed a password.
func New(code, message string, extensions map[string]any) error {
	if err := validateCode(code); err != nil {
		return err
	}
	own := maps.Clone(extensions)
	delete(own, "code")
	delete(own, "requestId")
	if _, err := json.Marshal(own); err != nil {
		return fmt.Errorf("fgerr: an extension of %s does not encode as JSON: %w", code, err)
	}
	return &Error{code, message, own}
}

// FieldError is what is wrong with one value of an input.
type FieldError struct {
	Name    string `json:"name"`    // of the argument, or of the field of an input
	Message string `json:"message"` // for the person who entered it: "must have 1 to 1,000 bytes"
}

// InvalidInput returns the error BAD_USER_INPUT with its extension "fields". Give all that is wrong at once:
//
//	return nil, fgerr.InvalidInput(fgerr.FieldError{Name: "text", Message: "must have 1 to 1,000 bytes"})
func InvalidInput(fields ...FieldError) error {
	var messages []string
	for _, f := range fields {
		messages = append(messages, f.Name+" "+f.Message)
	}
	return &Error{BadUserInput, strings.Join(messages, "; "), map[string]any{"fields": slices.Clone(fields)}}
}

func validateCode(code string) error {
	if !isValidCode(code) {
		return fmt.Errorf("fgerr: the code %q does not match ^[A-Z][A-Z0-9_]*$", code)
	}
	if slices.Contains(reservedCodes, code) {
		return fmt.Errorf("fgerr: the code %s is reserved for Fieldgate", code)
	}
	return nil
}

func isValidCode(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// Error returns the message.
func (e *Error) Error() string { return e.message }

// Code returns the code.
func (e *Error) Code() string { return e.code }

// Extensions returns what the client gets in errors[].extensions, the code included. The map is the caller's.
func (e *Error) Extensions() map[string]any {
	all := map[string]any{}
	maps.Copy(all, e.extensions)
	all["code"] = e.code
	return all
}

// Code returns the code of the first error of New in err's tree, or "" if there is none.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.code
	}
	return ""
}
