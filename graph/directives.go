package graph

import (
	"context"
	"errors"
	"fmt"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// owned is a row that belongs to a person. A type whose fields say orOwner: true has it.
type owned interface{ OwnerID() string }

// ForbiddenError is the error of a question that takes a role which the person does not have.
type ForbiddenError struct {
	Requires string
	Have     string // the person's role
	OrOwner  bool   // somebody else, whom the object belongs to, would have been let through
}

func (e *ForbiddenError) Error() string { return "this takes the role " + e.Requires }

// gate is the code behind @auth and @public. gqlgen runs it in front of the resolver of every field that carries one;
// who may pass is looked up in the compiled policy, which is also what the permissions are told from. What it denies is
// not counted by the field's limits.
type gate struct {
	policy   *policy.Policy
	limiter  *limiter
	recorder *DryRunRecorder
}

// auth lets a rule that only reports pass: the rule in force, which stands beside it on the same field, runs the gate for
// both.
func (g *gate) auth(ctx context.Context, obj any, next graphql.Resolver, _ string, _, reportOnly bool) (any, error) {
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
	if !ok { // what is not in the policy is nobody's
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

// check lets through whom a demand lets through. The role is the one that the person has in the database now, whatever the
// token says.
func (g *gate) check(ctx context.Context, demand policy.Requirement, obj any) error {
	session, err := auth.ViewerFrom(ctx).Session(ctx)
	if err != nil {
		return err
	}
	if g.policy.Includes(session.User.Role, demand.Role) || demand.OrOwner && owns(session.UserID, obj) {
		return nil
	}
	return &ForbiddenError{Requires: demand.Role, Have: session.User.Role, OrOwner: demand.OrOwner}
}

// dryRun reports what a rule that is not in force would deny, and lets it through. Its error is that nobody knows who is
// asking: a database that does not answer is no permission, and a report with holes would say that all is well.
func (g *gate) dryRun(ctx context.Context, rule policy.Rule, obj any) error {
	err := g.check(ctx, rule.ReportOnly, obj)
	if !isDenial(err) {
		return err
	}
	g.recorder.record(ctx, rule)
	return nil
}

// isDenial: the rule has judged, and not failed to.
func isDenial(err error) bool {
	var (
		unauthenticated *auth.UnauthenticatedError
		forbidden       *ForbiddenError
	)
	return errors.As(err, &unauthenticated) || errors.As(err, &forbidden)
}

// owns fails closed: what says nothing about its owner belongs to nobody.
func owns(userID string, obj any) bool {
	row, ok := obj.(owned)
	return ok && userID != "" && row.OwnerID() == userID
}
