package graph

import (
	"fieldgate/graph/generated"
	"fieldgate/internal/policy"
)

// permissions are what somebody with this role may do, of all root fields, in the schema's order.
func permissions(p *policy.Policy, role string) []*generated.Permission {
	list := []*generated.Permission{}
	for _, rule := range p.Rules() {
		if !rule.Root {
			continue
		}
		asks := rule.Role
		if rule.Reports() {
			asks = rule.Reported.Role
		}
		permission := &generated.Permission{Field: rule.Coordinate(), Allowed: rule.Public || p.Includes(role, rule.Role)}
		if asks != "" {
			permission.Role = &asks
		}
		list = append(list, permission)
	}
	return list
}
