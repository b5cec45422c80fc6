package policy_test

import (
	"strings"
	"testing"
	"time"

	"fieldgate/internal/policy"
)

// proofDeclarations declare @auth with its arguments about the proof of identity.
var proofDeclarations = mustReplace(declarations, "reportOnly: Boolean! = false)",
	"reportOnly: Boolean! = false, maxAge: String, mfa: MfaRequirement! = NO)") + "enum MfaRequirement { NO IF_ENROLLED ALWAYS }\n"

func TestProofIsReadFromAuth(t *testing.T) {
	t.Parallel()
	p := compile(t, proofDeclarations, `type Query {
  plain: String @auth
  fresh: String @auth(maxAge: "10m")
  second: String @auth(mfa: IF_ENROLLED)
  both: String @auth(role: ADMIN, maxAge: "1h30m", mfa: ALWAYS)
  later: String @auth @auth(maxAge: null, mfa: ALWAYS, reportOnly: true)
}`)
	for field, want := range map[string]policy.Requirement{
		"plain":  {Role: "USER"},
		"fresh":  {Role: "USER", Proof: policy.Proof{MaxAge: 10 * time.Minute}},
		"second": {Role: "USER", Proof: policy.Proof{MFA: policy.MFAIfEnrolled}},
		"both":   {Role: "ADMIN", Proof: policy.Proof{MaxAge: 90 * time.Minute, MFA: policy.MFAAlways}},
		"later":  {Role: "USER"},
	} {
		rule, _ := p.Rule("Query", field)
		if got := rule.Enforced(); got != want {
			t.Errorf("%s requires %+v, want %+v", field, got, want)
		}
	}
	later, _ := p.Rule("Query", "later")
	if want := (policy.Requirement{Role: "USER", Proof: policy.Proof{MFA: policy.MFAAlways}}); later.ReportOnly != want {
		t.Errorf("later reports %+v, want %+v", later.ReportOnly, want)
	}
	both, _ := p.Rule("Query", "both")
	if got, want := p.Describe(both), "Requires role ADMIN, a second factor, proven in the last 1h30m."; got != want {
		t.Errorf("both is described as %q, want %q", got, want)
	}
}

func TestInvalidProofsAreRejected(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`@auth(maxAge: "59s")`:    `has @auth(maxAge: "59s"), which is not a valid duration`,
		`@auth(maxAge: "24h1s")`:  `has @auth(maxAge: "24h1s"), which is not a valid duration`,
		`@auth(maxAge: "1m0.5s")`: `which is not a valid duration`,
		`@auth(maxAge: "-10m")`:   `which is not a valid duration`,
		`@auth(maxAge: "soon")`:   `which is not a valid duration`,
		`@auth(maxAge: 600)`:      `has @auth(maxAge: 600), which is not a valid duration`,
		`@auth(mfa: SOMETIMES)`:   `has @auth(mfa: SOMETIMES), which is not an MfaRequirement`,
		`@auth(mfa: "ALWAYS")`:    `has @auth(mfa: "ALWAYS"), which is not an MfaRequirement`,
		`@auth(maxAge: "10m", mfa: ALWAYS) @auth(maxAge: "1h", mfa: IF_ENROLLED, reportOnly: true)`: `so it never reports`,
	} {
		_, err := policy.Compile(load(t, proofDeclarations, "type Query { field: String "+rule+" }"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", rule, err, want)
		}
	}
}

func TestStricterProofMayReport(t *testing.T) {
	t.Parallel()
	for _, rules := range []string{
		`@auth @auth(maxAge: "1h", reportOnly: true)`,
		`@auth(maxAge: "1h") @auth(maxAge: "10m", reportOnly: true)`,
		`@auth(mfa: IF_ENROLLED) @auth(mfa: ALWAYS, reportOnly: true)`,
	} {
		compile(t, proofDeclarations, "type Query { field: String "+rules+" }")
	}
}

func TestTableMarksAProofThatIsOnlyReported(t *testing.T) {
	t.Parallel()
	p := compile(t, proofDeclarations, `type Query { field: String @auth @auth(mfa: ALWAYS, reportOnly: true) }`)
	rule, _ := p.Rule("Query", "field")
	if now, reported := p.Access(rule, "USER"); now != policy.Yes || !reported {
		t.Errorf("got %s, reported %v; want yes, reported", now, reported)
	}
}

func TestLimitByAccountKnowsTheChallengeOfSecondFactorInputOnly(t *testing.T) {
	t.Parallel()
	const limit = `directive @limit(by: LimitKey!, count: Int!, window: String!, successes: Boolean! = false) repeatable on FIELD_DEFINITION
enum LimitKey { ADDRESS ACCOUNT_AND_ADDRESS ACCOUNT SESSION }
`
	for name, valid := range map[string]bool{"SecondFactorInput": true, "OtherInput": false} {
		_, err := policy.Compile(load(t, proofDeclarations+limit, `type Query { field(input: `+name+`!): String @public @limit(by: ACCOUNT, count: 5, window: "1h") }
input `+name+` { challenge: String }`))
		if (err == nil) != valid {
			t.Errorf("%s: %v, want valid %v", name, err, valid)
		}
	}
}

func TestImplementorsNeedTheSameProof(t *testing.T) {
	t.Parallel()
	_, err := policy.Compile(load(t, proofDeclarations, `type Query { node: Node @public }
interface Node { secret: String }
type A implements Node { secret: String @auth(mfa: ALWAYS) }
type B implements Node { secret: String @auth }`))
	if err == nil || !strings.Contains(err.Error(), "B.secret") {
		t.Errorf("two proofs behind one interface: %v, want an error at B.secret", err)
	}
}
