// Package fgerr defines the error codes of the API, and creates errors for the resolvers of a
// product.
//
// An error of New reaches the client with its code, message and extensions, also when it is wrapped
// with %w. The server masks every other unknown error as INTERNAL and logs it once:
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

// The codes that a product may also use for its own errors.
const (
	Forbidden    = "FORBIDDEN"
	BadUserInput = "BAD_USER_INPUT"
	NotFound     = "NOT_FOUND"
	Conflict     = "CONFLICT"
	RateLimited  = "RATE_LIMITED"
	Overloaded   = "OVERLOADED"
	Unavailable  = "UNAVAILABLE"
)

// The codes that only Fieldgate returns, because clients react to them in a fixed way.
const (
	Unauthenticated            = "UNAUTHENTICATED"
	InvalidCredentials         = "INVALID_CREDENTIALS"
	InvalidToken               = "INVALID_TOKEN"
	ProofRequired              = "PROOF_REQUIRED"
	SecondFactorRequired       = "SECOND_FACTOR_REQUIRED"
	StepUpRequired             = "STEP_UP_REQUIRED"
	FactorsUnavailable         = "FACTORS_UNAVAILABLE"
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
		Unauthenticated, InvalidCredentials, InvalidToken, ProofRequired, SecondFactorRequired, StepUpRequired, FactorsUnavailable, EmailTaken, EmailNotVerified,
		QueryTooComplex, PersistedQueryNotSupported, GraphQLParseFailed, GraphQLValidationFailed, Internal,
	}
)

// Codes returns every code of Fieldgate.
func Codes() []string { return slices.Concat(sharedCodes, reservedCodes) }

// Error is an error that reaches the client unchanged.
type Error struct {
	code, message string
	extensions    map[string]any
}

// New returns an error that reaches the client with this code, message and extensions.
//
// The code must match ^[A-Z][A-Z0-9_]*$. It is a code of the product, or one of FORBIDDEN,
// BAD_USER_INPUT, NOT_FOUND, CONFLICT, RATE_LIMITED, OVERLOADED and UNAVAILABLE. The other codes of
// this package are reserved. An error with an invalid or reserved code, or with an extension that
// cannot be encoded as JSON, reaches the client as INTERNAL, and the log has the reason.
//
// New ignores the extensions "code" and "requestId", which the server sets. The extension
// "retryAfter", an int in seconds, also sets the header Retry-After. A @limit does not count
// executions that end in BAD_USER_INPUT, OVERLOADED or UNAVAILABLE, unless they have hashed a
// password.
func New(code, message string, extensions map[string]any) error {
	if err := validateCode(code); err != nil {
		return err
	}
	own := maps.Clone(extensions)
	delete(own, "code")
	delete(own, "requestId")
	if _, err := json.Marshal(own); err != nil {
		return fmt.Errorf("fgerr: the extensions of %s cannot be encoded as JSON: %w", code, err)
	}
	return &Error{code, message, own}
}

// FieldError describes one invalid value.
type FieldError struct {
	Name    string `json:"name"`    // of the argument or input field
	Message string `json:"message"` // for the user: "must have 1 to 1,000 bytes"
}

// InvalidInput returns the error BAD_USER_INPUT with its extension "fields". Pass all invalid
// values at once:
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
		return fmt.Errorf("fgerr: invalid code %q: it must match ^[A-Z][A-Z0-9_]*$", code)
	}
	if slices.Contains(reservedCodes, code) {
		return fmt.Errorf("fgerr: code %s is reserved for Fieldgate: choose another one", code)
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

// Extensions returns the contents of errors[].extensions, including the code. The caller may change
// the map.
func (e *Error) Extensions() map[string]any {
	all := map[string]any{}
	maps.Copy(all, e.extensions)
	all["code"] = e.code
	return all
}

// Code returns the code of the first error of New in err's tree, or "" for none.
func Code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.code
	}
	return ""
}
