package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// owned is a row that belongs to a person. A type whose fields say orOwner: true has it.
type owned interface{ OwnerID() string }

// Forbidden is the error of a question that takes a role which the person does not have.
type Forbidden struct{ Requires string }

func (e *Forbidden) Error() string { return "this takes the role " + e.Requires }

// authDirective judges a field under @auth before its resolver runs. The role is the one that the person has
// in the database now, whatever the token says. What it denies is not counted by the field's limits.
func authDirective(p *policy.Policy, l *limits) func(context.Context, any, graphql.Resolver, string, bool) (any, error) {
	return func(ctx context.Context, obj any, next graphql.Resolver, role string, orOwner bool) (any, error) {
		session, err := auth.ViewerFrom(ctx).Session(ctx)
		if err != nil {
			return nil, err
		}
		if p.Includes(session.User.Role, role) || orOwner && owns(session.UserID, obj) {
			return l.run(ctx, next)
		}
		return nil, &Forbidden{Requires: role}
	}
}

// owns fails closed: what says nothing about its owner belongs to nobody.
func owns(userID string, obj any) bool {
	row, ok := obj.(owned)
	return ok && userID != "" && row.OwnerID() == userID
}
