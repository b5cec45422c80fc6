package graph

import (
	"context"
	"errors"

	"fieldgate/graph/generated"
	"fieldgate/internal/auth"
	"fieldgate/internal/policy"
)

// conditionOwner is the condition of a rule that also admits the owner of the object.
const conditionOwner = "OWNER"

// permissions returns whether a role may use each field that has a rule: the fields of Query and
// Mutation, then those of other types, in the schema's order.
func permissions(ctx context.Context, p *policy.Policy, role string) ([]*generated.Permission, error) {
	list := []*generated.Permission{}
	for _, rule := range p.Rules() {
		allowed := rule.Public || p.Includes(role, rule.Role)
		permission := &generated.Permission{Field: rule.Coordinate(), Allowed: allowed}
		required := rule.Role
		if rule.HasReportOnly() {
			required = rule.ReportOnly.Role
		}
		if required != "" {
			permission.Role = &required
		}
		if rule.OrOwner || rule.ReportOnly.OrOwner {
			permission.Conditions = []string{conditionOwner}
		}
		var err error
		if permission.StepUp, err = needsStepUp(ctx, rule.Proof); err != nil {
			return nil, err
		}
		list = append(list, permission)
	}
	return list, nil
}

// canReadAll reports whether the caller may read a field of every object of its type, also of
// objects that the caller does not own. It returns the error of the database.
func canReadAll(ctx context.Context, p *policy.Policy, typeName, field string) (bool, error) {
	rule, gated := p.Rule(typeName, field)
	if !gated || rule.Public {
		return true, nil
	}
	user, err := currentUser(ctx)
	if unauthenticated := (*auth.UnauthenticatedError)(nil); errors.As(err, &unauthenticated) {
		return false, nil
	}
	if err != nil || !p.Includes(user.Role, rule.Role) {
		return false, err
	}
	stepUp, err := needsStepUp(ctx, rule.Proof)
	return !stepUp, err
}
