package policytest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// secrets are the texts that gated fields returned to allowed actors, by coordinate, the latest
// first. They must not be in a response to another actor.
type secrets map[string][]string

const (
	// minSecret is the minimum length of a secret. Shorter texts, such as a role's name, occur in
	// every denial.
	minSecret = 8
	// maxSecrets is the maximum number per coordinate. Those of the current subject are among the
	// latest.
	maxSecrets = 32
)

func (s secrets) add(schema *ast.Schema, coordinate string, field *ast.FieldDefinition, value string) {
	known := s[coordinate]
	if len(value) < minSecret || schema.Types[field.Type.Name()].Kind == ast.Enum || slices.Contains(known, value) {
		return
	}
	s[coordinate] = append([]string{value}, known[:min(len(known), maxSecrets-1)]...)
}

// jsonEscape returns a text as it appears inside a JSON string.
func jsonEscape(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return text
	}
	return strings.Trim(string(b), `"`)
}
