package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/policy"
)

// compileRoles compiles a schema in which enum Role has these values, given as a schema writes
// them.
func compileRoles(t *testing.T, values string) *policy.Policy {
	t.Helper()
	start := strings.Index(declarations, "enum Role")
	return compile(t, declarations[:start]+"enum Role { "+values+" }", "type Query { hello: String @public }")
}

// branched has two roles that do not include each other. It lists ADMIN first on purpose.
const branched = `
	ADMIN @includes(roles: [SUPPORT, AUDITOR])
	SUPPORT @includes(roles: [USER])
	AUDITOR @includes(roles: USER)
	ROBOT @includes(roles: [USER])
	USER`

func TestIncludes(t *testing.T) {
	p := compileRoles(t, branched)
	for _, test := range []struct {
		name, have, want string
		includes         bool
	}{
		{"a role includes itself", "SUPPORT", "SUPPORT", true},
		{"a role includes the roles that it lists", "SUPPORT", "USER", true},
		{"a role listed without brackets counts", "AUDITOR", "USER", true},
		{"a role includes what its included roles include", "ADMIN", "USER", true},
		{"a role does not include a stronger one", "USER", "ADMIN", false},
		{"a role does not include its neighbour", "SUPPORT", "AUDITOR", false},
		{"ADMIN does not include a role that it does not list", "ADMIN", "ROBOT", false},
		{"an unknown role includes no role", "WIZARD", "USER", false},
		{"an unknown role is included by no role", "ADMIN", "WIZARD", false},
		{"an unknown role does not include itself", "WIZARD", "WIZARD", false},
		{"an empty role includes no role", "", "USER", false},
		{"an empty role is included by no role", "ADMIN", "", false},
		{"case counts", "admin", "USER", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := p.Includes(test.have, test.want); got != test.includes {
				t.Errorf("Includes(%s, %s) = %v", test.have, test.want, got)
			}
		})
	}
}

func TestIsRole(t *testing.T) {
	p := compileRoles(t, branched)
	if !p.IsRole("AUDITOR") || p.IsRole("WIZARD") || p.IsRole("") {
		t.Error("IsRole does not agree with the schema")
	}
}

func TestRolesAreOrderedWeakestFirst(t *testing.T) {
	want := []string{"USER", "SUPPORT", "AUDITOR", "ROBOT", "ADMIN"}
	if got := compileRoles(t, branched).Roles(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestZeroPolicyIncludesNothing(t *testing.T) {
	var p policy.Policy
	if p.Includes("USER", "USER") || p.Includes("", "") {
		t.Error("the zero policy includes a role")
	}
}

func TestIncludesDoesNotAllocate(t *testing.T) {
	p := compileRoles(t, branched)
	if n := testing.AllocsPerRun(100, func() { p.Includes("ADMIN", "USER") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Inclusion is reflexive, transitive and antisymmetric, and Roles sorts each role after those that
// it includes.
func TestRoleInclusionIsAPartialOrder(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		p := compileRoles(t, randomRoles(random))
		roles := p.Roles()
		for i, a := range roles {
			if !p.Includes(a, a) {
				t.Fatalf("seed %d: %s does not include itself", seed, a)
			}
			for j, b := range roles {
				if j > i && p.Includes(a, b) {
					t.Fatalf("seed %d: %s includes %s but comes before it in %v", seed, a, b, roles)
				}
				for _, c := range roles {
					if p.Includes(a, b) && p.Includes(b, c) && !p.Includes(a, c) {
						t.Fatalf("seed %d: %s includes %s, which includes %s, but not that", seed, a, b, c)
					}
				}
			}
		}
	}
}

// randomRoles returns roles in random order. Each includes some of the weaker ones, and at least
// USER.
func randomRoles(random *rand.Rand) string {
	values := []string{"USER"}
	names := []string{"USER"}
	for _, name := range []string{"A", "B", "C", "D", "ADMIN"} {
		var includes []string
		for _, weaker := range names[1:] {
			if random.IntN(3) == 0 {
				includes = append(includes, weaker)
			}
		}
		if len(includes) == 0 {
			includes = []string{"USER"}
		}
		values = append(values, fmt.Sprintf("%s @includes(roles: [%s])", name, strings.Join(includes, ", ")))
		names = append(names, name)
	}
	random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	return strings.Join(values, "\n")
}
