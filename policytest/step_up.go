package policytest

import (
	"slices"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

// SessionProof is what a session has proved about the identity of its user. The zero value is a
// user without a second factor who has just signed in.
type SessionProof struct {
	Age       time.Duration // the time since the user proved a first factor
	Enrolled  bool          // the user has a second factor
	Second    bool          // the session has proved the second factor
	SecondAge time.Duration // the time since then
}

// needsSecond reports whether the first factor cannot meet a requirement.
func (s SessionProof) needsSecond(required policy.Proof) bool {
	return required.MFA == policy.MFAAlways || required.MFA == policy.MFAIfEnrolled && s.Enrolled
}

// meets reports whether a session meets a requirement of its proof.
func (s SessionProof) meets(required policy.Proof) bool {
	isFresh := func(age time.Duration) bool { return required.MaxAge == 0 || age <= required.MaxAge }
	return s.Second && isFresh(s.SecondAge) || !s.needsSecond(required) && isFresh(s.Age)
}

// sessionKind is a kind of session that the proof tests a requirement with.
type sessionKind struct {
	name  string // as it reads after the name of an actor
	proof SessionProof
}

// sessionKinds returns the sessions to test a requirement with. Fresh ones have half the maximum
// age, and stale ones are a second too old, so that a wrong limit is detected.
func sessionKinds(required policy.Proof) []sessionKind {
	fresh, stale := required.MaxAge/2, required.MaxAge+time.Second
	kinds := []sessionKind{{"with a fresh session", SessionProof{Age: fresh}}}
	if required.MaxAge > 0 {
		kinds = append(kinds, sessionKind{"with a stale session", SessionProof{Age: stale}})
	}
	if required.MFA == "" {
		return kinds
	}
	kinds = append(kinds,
		sessionKind{"with one factor of two", SessionProof{Age: fresh, Enrolled: true}},
		sessionKind{"with two factors", SessionProof{Age: fresh, Enrolled: true, Second: true, SecondAge: fresh}})
	if required.MaxAge > 0 {
		kinds = append(kinds,
			sessionKind{"with a stale second factor", SessionProof{Age: fresh, Enrolled: true, Second: true, SecondAge: stale}})
	}
	return kinds
}

// stepUpKey identifies an actor with a kind of session.
type stepUpKey struct {
	base  *actor
	proof SessionProof
}

func stepUpName(base *actor, kind sessionKind) string { return base.Name + " " + kind.name }

// stepUpBases returns the actors whose sessions vary: one of each role, and the owner if the rule
// admits owners.
func (p *proof) stepUpBases(rule policy.Rule) []*actor {
	return slices.DeleteFunc(slices.Clone(p.actors), func(a *actor) bool {
		return !slices.Contains(p.Policy.Roles(), a.Name) && (!a.isOwner || !rule.OrOwner)
	})
}

// testStepUp requests the fields at the end of a route that require a proof, with each kind of
// session.
func (p *proof) testStepUp(r route, t target) {
	if p.Prove == nil {
		return
	}
	for _, field := range t.fields {
		rule, _ := p.Policy.Rule(t.def.Name, field.Name)
		if !rule.Proof.Required() {
			continue
		}
		var actors []*actor
		for _, base := range p.stepUpBases(rule) {
			for _, kind := range sessionKinds(rule.Proof) {
				actors = append(actors, p.stepUpActor(base, kind))
			}
		}
		p.testRoute(r, []*ast.FieldDefinition{field}, actors)
	}
}

// stepUpActor returns an actor with a kind of session. Its user is created with the first request.
func (p *proof) stepUpActor(base *actor, kind sessionKind) *actor {
	key := stepUpKey{base, kind.proof}
	a := p.stepUp[key]
	if a == nil {
		a = &actor{isOwner: base.isOwner, isStepUp: true}
		p.stepUp[key] = a
	}
	a.Who = Who{stepUpName(base, kind), func() Person { return p.prove(base.Make(), kind.proof) }}
	return a
}

func (p *proof) prove(user Person, proof SessionProof) Person {
	p.Prove(user, proof)
	user.Proof = proof
	return user
}

// refresh replaces the user of an actor whose session gets too old during a long run.
func (p *proof) refresh(a *actor) {
	if p.maxSessionAge > 0 && time.Since(a.created) > p.maxSessionAge {
		p.replace(a)
	}
}

// maxSessionAge returns how old the sessions of actors may get. A quarter of the lowest maxAge
// keeps those fresh that start with half of it. 0 is any age.
func maxSessionAge(rules []policy.Rule) (age time.Duration) {
	for _, rule := range rules {
		if limit := rule.Proof.MaxAge / 4; limit > 0 && (age == 0 || limit < age) {
			age = limit
		}
	}
	return age
}

// reportStepUp reports fields whose proof was not tested.
func (c *coverage) reportStepUp(t Reporter, p *proof, rule policy.Rule) {
	t.Helper()
	coordinate := rule.Coordinate()
	switch {
	case !rule.Proof.Required():
		return
	case p.Prove == nil:
		t.Errorf("%s has maxAge or mfa and was tested with fresh sessions only. "+
			"Set Prove, which gives a session a proof", coordinate)
		return
	case !c.steppedUp[coordinate] && p.mustBeReached(rule):
		t.Errorf("%s was never denied with %s", coordinate, stepUpRequired)
	}
	for _, base := range p.stepUpBases(rule) {
		for _, kind := range sessionKinds(rule.Proof) {
			for _, form := range p.forms {
				if name := stepUpName(base, kind); !c.covered[cell{coordinate, name, form.name, ""}] {
					t.Errorf("%s was not tested as %s, %s", coordinate, name, form.name)
				}
			}
		}
	}
}

// stepUpDenial returns the expected error of a session that does not meet a requirement.
func stepUpDenial(required policy.Proof) denial {
	mfa, maxAge := required.MFA, any(nil)
	if mfa == "" {
		mfa = policy.MFANo
	}
	if required.MaxAge > 0 {
		maxAge = int(required.MaxAge.Seconds())
	}
	return denial{stepUpRequired, []extension{{"mfa", mfa}, {"maxAge", maxAge}}}
}

// checkMethods checks that STEP_UP_REQUIRED names factors that the user has and that are enough.
// Without a second factor where one is always required, it names none.
func (x *responseChecker) checkMethods(coordinate string, required policy.Proof, e responseError) {
	methods, isList := e.Extensions["methods"].([]any)
	needsSecond := x.viewer.Proof.needsSecond(required)
	isNone := needsSecond && !x.viewer.Proof.Enrolled
	if !isList || (len(methods) == 0) != isNone || slices.Contains(methods, any("PASSWORD")) == needsSecond {
		x.report(coordinate, "%s got the methods %v, want those that are enough", x.viewerName(),
			e.Extensions["methods"])
	}
}
