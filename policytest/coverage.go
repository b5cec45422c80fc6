package policytest

import (
	"fmt"
	"slices"
	"strings"
)

// coverage is what was fired, and what was found.
type coverage struct {
	cells    map[cell]bool // fired
	covered  map[cell]bool // the same, whatever the route
	requests int
	allowed  map[string]bool // coordinates that were answered to somebody who may
	denied   map[string]bool // coordinates that were refused in their place, and not only on the way there
	problems map[problemKind]int
	reported int
}

// cell is a field, somebody who asks for it, the form in which it is asked for and the route there.
type cell struct{ coordinate, actor, form, route string }

func newCoverage() *coverage {
	return &coverage{
		cells: map[cell]bool{}, covered: map[cell]bool{}, allowed: map[string]bool{}, denied: map[string]bool{},
		problems: map[problemKind]int{},
	}
}

// coordinates are the fields that a trial is about.
func (tr testCase) coordinates() (list []string) {
	for _, l := range tr.paths {
		for _, field := range l.fields {
			list = append(list, l.route.end.Name+"."+field.Name)
		}
	}
	return list
}

func (l *coverage) record(tr testCase, x *responseChecker) {
	l.requests++
	for _, leg := range tr.paths {
		for _, field := range leg.fields {
			c := cell{leg.route.end.Name + "." + field.Name, tr.actor, tr.form.name, leg.routeName()}
			if tr.actor != "" {
				l.cells[c] = true
				c.route = ""
				l.covered[c] = true
			}
		}
	}
	for _, v := range x.results {
		if v.isAllowed && (v.isRoot || v.hasValue) {
			l.allowed[v.coordinate] = true
		}
		if !v.isAllowed {
			l.denied[v.coordinate] = true
		}
	}
}

// problemKind is what problems have in common of which one more says nothing new.
type problemKind struct{ coordinate, kind string }

// Of each kind the first problems are told, and of all kinds no more than somebody reads.
const (
	maxProblemsOfKind = 2
	maxProblems       = 60
)

func (l *coverage) reportProblem(t Reporter, tr testCase, query, body string, p problem) {
	t.Helper()
	k := problemKind{p.coordinate, p.kind}
	l.problems[k]++
	if l.problems[k] > maxProblemsOfKind || l.reported == maxProblems {
		return
	}
	l.reported++
	asker := tr.actor
	if asker == "" {
		asker = "somebody who may see everything"
	}
	t.Errorf("%s, as %s, %s, by %s:\n\t%s\n\t%s\n\t%.1000s", p.coordinate, asker, tr.form.name, tr.paths[0].routeName(), p.text, query, body)
}

func (l *coverage) problemCount() (n int) {
	for _, of := range l.problems {
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

// report says what is missing, and how much was fired.
func (l *coverage) report(t Reporter, p *proof) {
	t.Helper()
	if all := l.problemCount(); all > l.reported {
		t.Errorf("%d problems in all, of which %d were told", all, l.reported)
	}
	gated := p.gatedRules()
	var onTheWay []string
	for _, rule := range gated {
		coordinate := rule.Coordinate()
		for _, asker := range p.actors {
			for _, form := range p.forms {
				if !l.covered[cell{coordinate, asker.Name, form.name, ""}] {
					t.Errorf("%s was not asked for as %s, %s", coordinate, asker.Name, form.name)
				}
			}
		}
		if !l.allowed[coordinate] && p.mustBeReached(rule) {
			t.Errorf("%s was never answered to anybody who may have it. Give Fixtures of the fields that lead there: %s",
				coordinate, strings.Join(p.rootFieldsTo(rule.Type), ", "))
		}
		if !l.denied[coordinate] {
			onTheWay = append(onTheWay, coordinate)
		}
	}
	t.Logf("%d gated fields × %d people × %d forms, each by 1 to %d routes: %d cells in %d requests",
		len(gated), len(p.actors), len(p.forms), p.maxRoutes(), len(l.cells), l.requests)
	if len(onTheWay) > 0 {
		t.Logf("refused on the way there only, since whoever gets there may have them: %s", strings.Join(onTheWay, ", "))
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
