package policytest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// secrets are texts that a field was seen to answer to somebody who may have it, by coordinate, the latest first. They are what
// must not be in an answer to anybody else.
type secrets map[string][]string

const (
	// minSecret is how long a text must be to say something when it is found: a role's name is in every denial.
	minSecret = 8
	// maxSecrets is how many are looked for: those about whom is asked now are among the latest.
	maxSecrets = 32
)

func (s secrets) add(schema *ast.Schema, coordinate string, field *ast.FieldDefinition, value string) {
	known := s[coordinate]
	if len(value) < minSecret || schema.Types[field.Type.Name()].Kind == ast.Enum || slices.Contains(known, value) {
		return
	}
	s[coordinate] = append([]string{value}, known[:min(len(known), maxSecrets-1)]...)
}

// jsonEscape is a text as it stands within a text of JSON.
func jsonEscape(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return text
	}
	return strings.Trim(string(b), `"`)
}
