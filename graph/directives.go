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

// Forbidden is the error of a question that takes a role which the person does not have.
type Forbidden struct {
	Requires string
	Have     string // the person's role
	OrOwner  bool   // somebody else, whom the object belongs to, would have been let through
}

func (e *Forbidden) Error() string { return "this takes the role " + e.Requires }

// gate is the code behind @auth and @public. gqlgen runs it in front of the resolver of every field that carries one;
// who may pass is looked up in the compiled policy, which is also what the permissions are told from. What it denies is
// not counted by the field's limits.
type gate struct {
	policy  *policy.Policy
	limits  *limits
	reports *Reports
}

// auth lets a rule that only reports pass: the rule in force, which stands beside it on the same field, runs the gate for
// both.
func (g *gate) auth(ctx context.Context, obj any, next graphql.Resolver, _ string, _, reportOnly bool) (any, error) {
	if reportOnly {
		return next(ctx)
	}
	return g.pass(ctx, obj, next)
}

func (g *gate) public(ctx context.Context, obj any, next graphql.Resolver) (any, error) {
	return g.pass(ctx, obj, next)
}

func (g *gate) pass(ctx context.Context, obj any, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	rule, ok := g.policy.Rule(field.Object, field.Field.Name)
	if !ok { // what is not in the policy is nobody's
		return nil, fmt.Errorf("the policy has no rule for %s.%s", field.Object, field.Field.Name)
	}
	if !rule.Public {
		if err := g.judge(ctx, rule.Enforced(), obj); err != nil {
			return nil, err
		}
	}
	if rule.HasReportOnly() {
		if err := g.try(ctx, rule, obj); err != nil {
			return nil, err
		}
	}
	return g.limits.run(ctx, next)
}

// judge lets through whom a demand lets through. The role is the one that the person has in the database now, whatever the
// token says.
func (g *gate) judge(ctx context.Context, demand policy.Requirement, obj any) error {
	session, err := auth.ViewerFrom(ctx).Session(ctx)
	if err != nil {
		return err
	}
	if g.policy.Includes(session.User.Role, demand.Role) || demand.OrOwner && owns(session.UserID, obj) {
		return nil
	}
	return &Forbidden{Requires: demand.Role, Have: session.User.Role, OrOwner: demand.OrOwner}
}

// try reports what a rule that is not in force would deny, and lets it through. Its error is that nobody knows who is
// asking: a database that does not answer is no permission, and a report with holes would say that all is well.
func (g *gate) try(ctx context.Context, rule policy.Rule, obj any) error {
	err := g.judge(ctx, rule.ReportOnly, obj)
	if !denial(err) {
		return err
	}
	g.reports.add(ctx, rule)
	return nil
}

// denial: the rule has judged, and not failed to.
func denial(err error) bool {
	var (
		unauthenticated *auth.UnauthenticatedError
		forbidden       *Forbidden
	)
	return errors.As(err, &unauthenticated) || errors.As(err, &forbidden)
}

// owns fails closed: what says nothing about its owner belongs to nobody.
func owns(userID string, obj any) bool {
	row, ok := obj.(owned)
	return ok && userID != "" && row.OwnerID() == userID
}
