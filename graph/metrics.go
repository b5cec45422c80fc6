package graph

import (
	"time"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// Metrics counts requests, denials and limited executions. Its arguments are from closed sets: the
// kinds of operations, fgerr.Codes, DenialReasons, and the schema's fields and limits.
type Metrics interface {
	// Operation counts a request. kind is "query", "mutation", or "none" if the request was
	// rejected before it had an operation. code is the code of its first error, or "".
	Operation(kind, code string, took time.Duration)
	// Denied counts an execution of a field ("Type.field") that was denied, but not
	// STEP_UP_REQUIRED, which clients cause in normal use.
	Denied(field, reason string)
	// Limited counts an execution of a field that a limit rejected. by is what the limit counts by.
	Limited(field, by string)
}

// reasonForbidden is the reason of a denial for a signed-in user whose role is too low.
const reasonForbidden = "forbidden"

// DenialReasons returns every reason of a denial.
func DenialReasons() []string {
	return []string{
		reasonForbidden, string(auth.Missing), string(auth.Expired), string(auth.Invalid), string(auth.Revoked),
	}
}

// DeniableFields returns the coordinates of the fields that can be denied.
func DeniableFields(p *policy.Policy) (fields []string) {
	for _, rule := range p.Rules() {
		// The resolver behind a report-only rule may require a user.
		if !rule.Public || rule.HasReportOnly() {
			fields = append(fields, rule.Coordinate())
		}
	}
	return fields
}
