package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// The values of enum MfaRequirement.
const (
	MFANo         = "NO"
	MFAIfEnrolled = "IF_ENROLLED"
	MFAAlways     = "ALWAYS"
)

// mfaRequirements are ordered, the weakest first.
var mfaRequirements = []string{MFANo, MFAIfEnrolled, MFAAlways}

const (
	maxAgeArgument = "maxAge"
	mfaArgument    = "mfa"
)

const (
	minMaxAge = time.Minute
	maxMaxAge = 24 * time.Hour
)

// Proof is what an @auth requires of the session's proof of identity, besides the role. The zero
// value requires nothing. RFC 9470 calls these max_age and acr_values.
type Proof struct {
	MaxAge time.Duration // the maximum age of the proof; 0 allows any age
	MFA    string        // MFAIfEnrolled or MFAAlways; "" means that one factor is enough
}

// Required reports whether p requires anything of the session.
func (p Proof) Required() bool { return p != Proof{} }

// includes reports whether each session that meets p meets other too.
func (p Proof) includes(other Proof) bool {
	fresh := other.MaxAge == 0 || p.MaxAge > 0 && p.MaxAge <= other.MaxAge
	return fresh && mfaLevel(p.MFA) >= mfaLevel(other.MFA)
}

func mfaLevel(mfa string) int { return max(0, slices.Index(mfaRequirements, mfa)) }

// describe returns the end of Policy.Describe's sentence, such as ", proven in the last 10m".
func (p Proof) describe() (text string) {
	switch p.MFA {
	case MFAIfEnrolled:
		text = ", a second factor if one is enrolled"
	case MFAAlways:
		text = ", a second factor"
	}
	if p.MaxAge > 0 {
		text += ", proven in the last " + shortDuration(p.MaxAge)
	}
	return text
}

// readProof reads maxAge and mfa of an @auth. It reports invalid values as errors of the schema.
func (c *compiler) readProof(coordinate string, auth *ast.Directive) (proof Proof) {
	if value := c.value(auth, maxAgeArgument); value != nil && value.Kind != ast.NullValue {
		var ok bool
		if proof.MaxAge, ok = parseMaxAge(value); !ok {
			c.addError(auth.Position, coordinate,
				fmt.Sprintf("has @auth(maxAge: %s), which is not a valid duration", value), `write "1m" to "24h", as in "10m"`)
		}
	}
	if value := c.value(auth, mfaArgument); value != nil {
		switch {
		case value.Kind != ast.EnumValue || !slices.Contains(mfaRequirements, value.Raw):
			c.addError(auth.Position, coordinate,
				fmt.Sprintf("has @auth(mfa: %s), which is not an MfaRequirement", value),
				"write one of "+strings.Join(mfaRequirements, ", "))
		case value.Raw != MFANo:
			proof.MFA = value.Raw
		}
	}
	return proof
}

func parseMaxAge(value *ast.Value) (time.Duration, bool) {
	if value.Kind != ast.StringValue && value.Kind != ast.BlockValue {
		return 0, false
	}
	d, err := time.ParseDuration(value.Raw)
	return d, err == nil && d >= minMaxAge && d <= maxMaxAge && d%time.Second == 0
}
