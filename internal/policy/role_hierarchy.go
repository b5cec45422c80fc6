package policy

import (
	"cmp"
	"slices"
)

// The roles that the server itself assigns: [User] to every registered user, [Admin] to the first
// administrator. A schema may have any others.
const (
	User  = "USER"
	Admin = "ADMIN"
)

// hierarchy is the order of the roles. It need not be a line: two roles may both include USER and
// neither the other.
type roleHierarchy struct {
	roles    []string          // the weakest first
	includes map[rolePair]bool // every pair whose first role includes the second, directly or not
}

// rolePair says that the role have includes the role want.
type rolePair struct{ have, want string }

// newRoleHierarchy computes the transitive closure of the direct inclusions, so that a lookup is
// one step. It terminates on cycles too.
func newRoleHierarchy(roles []string, direct map[string][]string) roleHierarchy {
	l := roleHierarchy{roles: slices.Clone(roles), includes: map[rolePair]bool{}}
	for _, role := range roles {
		l.addIncluded(role, role, direct)
	}
	l.sort()
	return l
}

func (l roleHierarchy) addIncluded(have, want string, direct map[string][]string) {
	if l.includes[rolePair{have, want}] {
		return
	}
	l.includes[rolePair{have, want}] = true
	for _, next := range direct[want] {
		l.addIncluded(have, next, direct)
	}
}

// sort orders the roles, the weakest first. A role includes itself and all that its included roles
// include, so ordering by the number of included roles is enough.
func (l roleHierarchy) sort() {
	includes := map[string]int{}
	for s := range l.includes {
		includes[s.have]++
	}
	slices.SortStableFunc(l.roles, func(a, b string) int { return cmp.Compare(includes[a], includes[b]) })
}

// findCycles returns the cycles of inclusions, such as [ADMIN STAFF ADMIN]. Each starts at its
// first role in the schema.
func findCycles(roles []string, direct map[string][]string) (found [][]string) {
	var path []string
	done := map[string]bool{}
	var visit func(role string)
	visit = func(role string) {
		if start := slices.Index(path, role); start >= 0 {
			found = append(found, append(slices.Clone(path[start:]), role))
			return
		}
		if done[role] {
			return
		}
		path = append(path, role)
		for _, next := range direct[role] {
			visit(next)
		}
		path = path[:len(path)-1]
		done[role] = true
	}
	for _, role := range roles {
		visit(role)
	}
	return found
}
