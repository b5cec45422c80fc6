package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/graph/generated"
	"fieldgate/internal/account"
)

// pageQuery reads the arguments of a connection field. A null argument means the same as an omitted
// one.
func pageQuery(ctx context.Context, first *int32, after *string, last *int32, before *string) account.PageQuery {
	q := account.PageQuery{
		First: defaultFirst, FirstGiven: first != nil && isArgumentGiven(ctx, "first"),
		After: valueOrZero(after), Before: valueOrZero(before),
	}
	if first != nil {
		q.First = int(*first)
	}
	if last != nil {
		q.Last = new(int(*last))
	}
	return q
}

// defaultFirst is the default of the argument first in the schema.
const defaultFirst = 20

// isArgumentGiven reports whether the operation sets an argument of the current field, instead of
// using the schema's default.
func isArgumentGiven(ctx context.Context, name string) bool {
	argument := graphql.GetFieldContext(ctx).Field.Arguments.ForName(name)
	if argument == nil || argument.Value.Kind != ast.Variable {
		return argument != nil
	}
	_, ok := graphql.GetOperationContext(ctx).Variables[argument.Value.Raw]
	return ok
}

func pageInfo(i account.PageInfo) *generated.PageInfo {
	p := &generated.PageInfo{HasPreviousPage: i.HasPrevious, HasNextPage: i.HasNext}
	if i.Start != "" {
		p.StartCursor = &i.Start
	}
	if i.End != "" {
		p.EndCursor = &i.End
	}
	return p
}

func userConnection(p *account.UserPage) *generated.UserConnection {
	c := &generated.UserConnection{Edges: make([]*generated.UserEdge, len(p.Users)), PageInfo: pageInfo(p.PageInfo)}
	for i, u := range p.Users {
		c.Edges[i] = &generated.UserEdge{Cursor: p.Cursors[i], Node: u}
	}
	return c
}

func auditConnection(p *account.AuditPage) *generated.AuditConnection {
	c := &generated.AuditConnection{Edges: make([]*generated.AuditEdge, len(p.Entries)), PageInfo: pageInfo(p.PageInfo)}
	for i, e := range p.Entries {
		c.Edges[i] = &generated.AuditEdge{Cursor: p.Cursors[i], Node: e}
	}
	return c
}
