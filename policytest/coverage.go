package policytest

import (
	"fmt"
	"slices"
	"strings"

	"fieldgate/internal/policy"
)

// coverage records the requests and the problems of a run.
type coverage struct {
	cells    map[cell]bool // sent
	covered  map[cell]bool // the same with an empty route
	stepUps  map[cell]bool // those of cells that were sent with a kind of session
	requests int
	allowed  map[string]bool // coordinates that returned a value to an allowed actor
	// Coordinates that were denied themselves, and not only on the route to them.
	denied    map[string]bool
	steppedUp map[string]bool // coordinates that were denied with STEP_UP_REQUIRED
	problems  map[problemKind]int
	reported  int
}

// cell is a combination of field, actor, form and route.
type cell struct{ coordinate, actor, form, route string }

func newCoverage() *coverage {
	return &coverage{
		cells: map[cell]bool{}, covered: map[cell]bool{}, allowed: map[string]bool{}, denied: map[string]bool{},
		stepUps: map[cell]bool{}, steppedUp: map[string]bool{}, problems: map[problemKind]int{},
	}
}

// coordinates returns the fields of a test case.
func (tc testCase) coordinates() (list []string) {
	for _, l := range tc.paths {
		for _, field := range l.fields {
			list = append(list, l.route.end.Name+"."+field.Name)
		}
	}
	return list
}

func (c *coverage) record(tc testCase, x *responseChecker) {
	c.requests++
	for _, path := range tc.paths {
		for _, field := range path.fields {
			key := cell{path.route.end.Name + "." + field.Name, tc.actor, tc.form.name, path.routeName()}
			if tc.actor != "" {
				c.cells[key] = true
				if tc.isStepUp {
					c.stepUps[key] = true
				}
				key.route = ""
				c.covered[key] = true
			}
		}
	}
	for _, v := range x.results {
		if v.isAllowed && (v.isRoot || v.hasValue) {
			c.allowed[v.coordinate] = true
		}
		if !v.isAllowed {
			c.denied[v.coordinate] = true
		}
		if v.isStepUp {
			c.steppedUp[v.coordinate] = true
		}
	}
}

// problemKind groups problems of which more examples say nothing new.
type problemKind struct{ coordinate, kind string }

// The run reports the first problems of each kind, and not more than is readable.
const (
	maxProblemsOfKind = 2
	maxProblems       = 60
)

func (c *coverage) reportProblem(t Reporter, tc testCase, query, body string, p problem) {
	t.Helper()
	k := problemKind{p.coordinate, p.kind}
	c.problems[k]++
	if c.problems[k] > maxProblemsOfKind || c.reported == maxProblems {
		return
	}
	c.reported++
	actor := tc.actor
	if actor == "" {
		actor = "the strongest role"
	}
	t.Errorf("%s, as %s, %s, by %s:\n\t%s\n\t%s\n\t%.1000s", p.coordinate, actor, tc.form.name,
		tc.paths[0].routeName(), p.text, query, body)
}

func (c *coverage) problemCount() (n int) {
	for _, of := range c.problems {
		n += of
	}
	return n
}

func (l queryPath) routeName() string {
	if len(l.route.steps) == 0 {
		return string(l.route.root)
	}
	return string(l.route.root) + " " + l.route.String()
}

// report reports missing combinations, and logs how much was sent.
func (c *coverage) report(t Reporter, p *proof) {
	t.Helper()
	if all := c.problemCount(); all > c.reported {
		t.Errorf("%d problems in total, of which %d were reported", all, c.reported)
	}
	gated := p.gatedRules()
	var onRouteOnly []string
	for _, rule := range gated {
		coordinate := rule.Coordinate()
		for _, actor := range p.actors {
			for _, form := range p.forms {
				if !c.covered[cell{coordinate, actor.Name, form.name, ""}] {
					t.Errorf("%s was not tested as %s, %s", coordinate, actor.Name, form.name)
				}
			}
		}
		c.reportStepUp(t, p, rule)
		if !c.allowed[coordinate] && p.mustBeReached(rule) && (p.Prove != nil || rule.Proof.MFA != policy.MFAAlways) {
			t.Errorf("%s never returned a value to an allowed actor. Add Fixtures for the fields that lead to it: %s",
				coordinate, strings.Join(p.rootFieldsTo(rule.Type), ", "))
		}
		if !c.denied[coordinate] {
			onRouteOnly = append(onRouteOnly, coordinate)
		}
	}
	t.Logf("%d gated fields × %d actors × %d forms, each by 1 to %d routes: "+
		"%d cells, %d of them step-up cells, in %d requests",
		len(gated), len(p.actors), len(p.forms), p.maxRoutes(), len(c.cells), len(c.stepUps), c.requests)
	if len(onRouteOnly) > 0 {
		t.Logf("denied on the route only, because every actor that reaches these fields may read them: %s",
			strings.Join(onRouteOnly, ", "))
	}
}

func (p *proof) rootFieldsTo(typeName string) (list []string) {
	for _, r := range p.routes[typeName] {
		if len(r.steps) > 0 {
			first := r.steps[0]
			list = append(list, fmt.Sprintf("%q", first.parent.Name+"."+first.field.Name))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (p *proof) maxRoutes() (most int) {
	for _, target := range p.targets() {
		most = max(most, len(p.routes[target.def.Name]))
	}
	return most
}
