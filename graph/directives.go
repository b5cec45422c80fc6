package graph

import (
	"context"
	"errors"
	"fmt"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// owned is an object that belongs to a user. Go types of fields with orOwner: true implement it.
type owned interface{ OwnerID() string }

// ForbiddenError reports that a field requires a role that the signed-in user does not have.
type ForbiddenError struct {
	Requires string
	Have     string // the user's role
	OrOwner  bool   // the rule also admits the owner of the object, which the user is not
}

func (e *ForbiddenError) Error() string { return "requires role " + e.Requires }

// gate implements @auth and @public. gqlgen calls it before the resolver of every field that
// carries one of them. It looks up the rule in the compiled policy, from which the query
// permissions is answered too. A denied execution does not count toward the field's limits.
type gate struct {
	policy   *policy.Policy
	limiter  *limiter
	recorder *DryRunRecorder
}

// auth implements @auth. It skips a report-only rule, because the enforced rule on the same field
// checks both.
func (g *gate) auth(ctx context.Context, obj any, next graphql.Resolver, _ string, _, reportOnly bool, _ *string, _ string) (any, error) {
	if reportOnly {
		return next(ctx)
	}
	return g.authorize(ctx, obj, next)
}

func (g *gate) public(ctx context.Context, obj any, next graphql.Resolver) (any, error) {
	return g.authorize(ctx, obj, next)
}

func (g *gate) authorize(ctx context.Context, obj any, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	rule, ok := g.policy.Rule(field.Object, field.Field.Name)
	if !ok { // deny by default
		return nil, fmt.Errorf("the policy has no rule for %s.%s", field.Object, field.Field.Name)
	}
	if !rule.Public {
		if err := g.check(ctx, rule.Enforced(), obj); err != nil {
			return nil, err
		}
	}
	if rule.HasReportOnly() {
		if err := g.dryRun(ctx, rule, obj); err != nil {
			return nil, err
		}
	}
	return g.limiter.run(ctx, next)
}

// check returns an error unless the signed-in user meets a requirement: first its role or
// ownership, then its proof of identity. It uses the user's current role in the database, not the
// role in the token.
func (g *gate) check(ctx context.Context, requirement policy.Requirement, obj any) error {
	session, err := sessionFor(ctx, requirement.Proof)
	if err != nil {
		return err
	}
	if g.policy.Includes(session.User.Role, requirement.Role) || requirement.OrOwner && owns(session.UserID, obj) {
		return checkProof(ctx, requirement.Proof)
	}
	return &ForbiddenError{Requires: requirement.Role, Have: session.User.Role, OrOwner: requirement.OrOwner}
}

// dryRun records what a report-only rule would deny, and allows it. It returns an error if the
// check itself failed, for example because the database is unavailable: without that error the
// recorded counts would be too low to trust.
func (g *gate) dryRun(ctx context.Context, rule policy.Rule, obj any) error {
	err := g.check(ctx, rule.ReportOnly, obj)
	if !isDenial(err) {
		return err
	}
	g.recorder.record(ctx, rule)
	return nil
}

// isDenial reports whether an error of check is a decision, and not a failure to decide.
func isDenial(err error) bool {
	var (
		unauthenticated *auth.UnauthenticatedError
		forbidden       *ForbiddenError
		stepUp          *StepUpRequiredError
	)
	return errors.As(err, &unauthenticated) || errors.As(err, &forbidden) || errors.As(err, &stepUp)
}

// owns reports whether an object belongs to a user. An object without OwnerID has no owner.
func owns(userID string, obj any) bool {
	row, ok := obj.(owned)
	return ok && userID != "" && row.OwnerID() == userID
}
