package policytest

import (
	"fmt"
	"slices"
	"strings"
)

// ledger is what was fired, and what was found.
type ledger struct {
	cells    map[cell]bool // fired
	covered  map[cell]bool // the same, whatever the route
	requests int
	reached  map[string]bool // coordinates that were answered to somebody who may
	refused  map[string]bool // coordinates that were refused in their place, and not only on the way there
	problems map[kind]int
	told     int
}

// cell is a field, somebody who asks for it, the form in which it is asked for and the route there.
type cell struct{ coordinate, asker, form, route string }

func newLedger() *ledger {
	return &ledger{
		cells: map[cell]bool{}, covered: map[cell]bool{}, reached: map[string]bool{}, refused: map[string]bool{},
		problems: map[kind]int{},
	}
}

// coordinates are the fields that a trial is about.
func (tr trial) coordinates() (list []string) {
	for _, l := range tr.legs {
		for _, field := range l.fields {
			list = append(list, l.route.end.Name+"."+field.Name)
		}
	}
	return list
}

func (l *ledger) note(tr trial, x *examiner) {
	l.requests++
	for _, leg := range tr.legs {
		for _, field := range leg.fields {
			c := cell{leg.route.end.Name + "." + field.Name, tr.asker, tr.form.name, leg.way()}
			if tr.asker != "" {
				l.cells[c] = true
				c.route = ""
				l.covered[c] = true
			}
		}
	}
	for _, v := range x.visits {
		if v.allowed && (v.root || v.answered) {
			l.reached[v.coordinate] = true
		}
		if !v.allowed {
			l.refused[v.coordinate] = true
		}
	}
}

// kind is what problems have in common of which one more says nothing new.
type kind struct{ coordinate, kind string }

// Of each kind the first problems are told, and of all kinds no more than somebody reads.
const (
	maxProblemsOfKind = 2
	maxProblems       = 60
)

func (l *ledger) complain(t Reporter, tr trial, query, body string, p problem) {
	t.Helper()
	k := kind{p.coordinate, p.kind}
	l.problems[k]++
	if l.problems[k] > maxProblemsOfKind || l.told == maxProblems {
		return
	}
	l.told++
	asker := tr.asker
	if asker == "" {
		asker = "somebody who may see everything"
	}
	t.Errorf("%s, as %s, %s, by %s:\n\t%s\n\t%s\n\t%.1000s", p.coordinate, asker, tr.form.name, tr.legs[0].way(), p.text, query, body)
}

func (l *ledger) all() (n int) {
	for _, of := range l.problems {
		n += of
	}
	return n
}

func (l leg) way() string {
	if len(l.route.steps) == 0 {
		return string(l.route.root)
	}
	return string(l.route.root) + " " + l.route.String()
}

// report says what is missing, and how much was fired.
func (l *ledger) report(t Reporter, p *proof) {
	t.Helper()
	if all := l.all(); all > l.told {
		t.Errorf("%d problems in all, of which %d were told", all, l.told)
	}
	gated := p.gated()
	var onTheWay []string
	for _, rule := range gated {
		coordinate := rule.Coordinate()
		for _, asker := range p.cast {
			for _, form := range p.forms {
				if !l.covered[cell{coordinate, asker.Name, form.name, ""}] {
					t.Errorf("%s was not asked for as %s, %s", coordinate, asker.Name, form.name)
				}
			}
		}
		if !l.reached[coordinate] && p.mustBeReached(rule) {
			t.Errorf("%s was never answered to anybody who may have it. Give Fixtures of the fields that lead there: %s",
				coordinate, strings.Join(p.waysTo(rule.Type), ", "))
		}
		if !l.refused[coordinate] {
			onTheWay = append(onTheWay, coordinate)
		}
	}
	t.Logf("%d gated fields × %d people × %d forms, each by 1 to %d routes: %d cells in %d requests",
		len(gated), len(p.cast), len(p.forms), p.mostRoutes(), len(l.cells), l.requests)
	if len(onTheWay) > 0 {
		t.Logf("refused on the way there only, since whoever gets there may have them: %s", strings.Join(onTheWay, ", "))
	}
}

func (p *proof) waysTo(typeName string) (list []string) {
	for _, r := range p.routes[typeName] {
		if len(r.steps) > 0 {
			first := r.steps[0]
			list = append(list, fmt.Sprintf("%q", first.parent.Name+"."+first.field.Name))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (p *proof) mostRoutes() (most int) {
	for _, target := range p.targets() {
		most = max(most, len(p.routes[target.def.Name]))
	}
	return most
}
