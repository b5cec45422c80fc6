package policy

import (
	"cmp"
	"slices"
)

// The roles that the server itself hands out: [User] to everybody who registers, [Admin] to the operator who sets it up.
// A schema may have any others.
const (
	User  = "USER"
	Admin = "ADMIN"
)

// ladder is the order of the roles. It need not be a line: two roles may both include USER and neither the other.
type ladder struct {
	roles []string      // the weakest first
	reach map[step]bool // every pair of which the first includes the second, at whatever distance
}

// step says that the role have includes the role want.
type step struct{ have, want string }

// newLadder closes the direct steps, so that a lookup need not climb. It ends on a circle too.
func newLadder(roles []string, direct map[string][]string) ladder {
	l := ladder{roles: slices.Clone(roles), reach: map[step]bool{}}
	for _, role := range roles {
		l.descend(role, role, direct)
	}
	l.sort()
	return l
}

func (l ladder) descend(have, want string, direct map[string][]string) {
	if l.reach[step{have, want}] {
		return
	}
	l.reach[step{have, want}] = true
	for _, next := range direct[want] {
		l.descend(have, next, direct)
	}
}

// sort puts the weakest first. A role includes all that its included roles include, and itself besides: whoever includes
// more stands higher, so counting is enough.
func (l ladder) sort() {
	includes := map[string]int{}
	for s := range l.reach {
		includes[s.have]++
	}
	slices.SortStableFunc(l.roles, func(a, b string) int { return cmp.Compare(includes[a], includes[b]) })
}

// circles returns the ways that lead from a role back to itself, as [ADMIN STAFF ADMIN]. Each starts at the role that
// stands first in the schema.
func circles(roles []string, direct map[string][]string) (found [][]string) {
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
