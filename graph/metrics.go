package graph

import (
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// Metrics is told what happens, to count it. What it is told is from closed lists: types of operations, fgerr.Codes, DenialReasons,
// and the schema's fields and limits.
type Metrics interface {
	// Operation is told of each request: its type, query, mutation or none if it was refused before it had one; the code of
	// its first error, "" if there is none; and how long it took.
	Operation(kind, code string, took time.Duration)
	// Denied is told of each execution of a field ("Type.field") that was denied, and why.
	Denied(field, reason string)
	// Limited is told of each execution of a field that a limit has refused, and what the limit counts by.
	Limited(field, by string)
}

// reasonForbidden is why a field is denied to somebody who is signed in.
const reasonForbidden = "forbidden"

// DenialReasons are all reasons for which a field is denied.
func DenialReasons() []string {
	return []string{reasonForbidden, string(auth.Missing), string(auth.Expired), string(auth.Invalid), string(auth.Revoked)}
}

// DeniableFields are the fields of a policy that can be denied, by their coordinates.
func DeniableFields(p *policy.Policy) (fields []string) {
	for _, rule := range p.Rules() {
		if !rule.Public || rule.HasReportOnly() { // behind one that reports, a resolver may miss the person
			fields = append(fields, rule.Coordinate())
		}
	}
	return fields
}
