package policytest

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

// proof is one that is under way.
type proof struct {
	App
	t       Reporter
	client  *http.Client
	ledger  *ledger
	secrets secrets
	routes  map[string][]route
	pages   map[string]int // by route, of those that cost too much with pages of the usual size
	forms   []form

	cast    []*role
	subject Person // whom everybody but the owner asks about
	judge   Person // who may see everything
}

// role is one of those who ask.
type role struct {
	Who
	Person
	owner bool // asks about themselves
}

// gated are the rules that are to be proven.
func (p *proof) gated() (rules []policy.Rule) {
	for _, rule := range p.Policy.Rules() {
		if !rule.Public && p.isAbout(rule) {
			rules = append(rules, rule)
		}
	}
	return rules
}

// isAbout reports whether a field is reached by a route that the proof covers. One that is not reached at all is reported.
func (p *proof) isAbout(rule policy.Rule) bool {
	field, routes := p.Schema.Types[rule.Type].Fields.ForName(rule.Field), p.routes[rule.Type]
	if len(routes) == 0 {
		return p.covers(route{}, field)
	}
	return slices.ContainsFunc(routes, func(r route) bool { return p.covers(r, field) })
}

// covers reports whether the proof is about a field at the end of a route.
func (p *proof) covers(r route, field *ast.FieldDefinition) bool {
	folder := cmp.Or(p.Within, p.Without)
	if folder == "" {
		return true
	}
	through := func(s step) bool { return isBelow(s.field, folder) }
	return (isBelow(field, folder) || slices.ContainsFunc(r.steps, through)) == (p.Within != "")
}

// mustBeReached reports whether a field has to be answered to somebody. A proof Within a folder passes fields of others, which may
// be empty where it finds them.
func (p *proof) mustBeReached(rule policy.Rule) bool {
	return p.Within == "" || isBelow(p.Schema.Types[rule.Type].Fields.ForName(rule.Field), p.Within)
}

// isBelow reports whether a field is defined in a file below a folder. gqlgen names files as seen from its generated package.
func isBelow(field *ast.FieldDefinition, folder string) bool {
	at := field.Position
	return at != nil && at.Src != nil && strings.Contains("/"+at.Src.Name, "/"+strings.Trim(folder, "/")+"/")
}

// target is a type with the gated fields that it has.
type target struct {
	def    *ast.Definition
	fields []*ast.FieldDefinition
}

func (p *proof) targets() (list []target) {
	for _, rule := range p.gated() {
		def := p.Schema.Types[rule.Type]
		if len(list) == 0 || list[len(list)-1].def != def {
			list = append(list, target{def: def})
		}
		last := &list[len(list)-1]
		last.fields = append(last.fields, def.Fields.ForName(rule.Field))
	}
	return list
}

// run asks what changes nothing first, so that the people stay the same.
func (p *proof) run() {
	p.hire()
	for _, operation := range []ast.Operation{ast.Query, ast.Mutation} {
		for _, target := range p.targets() {
			for _, r := range p.routes[target.def.Name] {
				if r.root == operation {
					p.along(r, target.fields)
				}
			}
		}
		if operation == ast.Query {
			p.together()
		}
	}
}

// ended says that nobody waits for more.
func (p *proof) ended() bool { return p.t.Context().Err() != nil }

// hire makes those who ask.
func (p *proof) hire() {
	roles := p.Policy.Roles()
	weakest, strongest := roles[0], roles[len(roles)-1]
	p.judge = p.Enrol(strongest)
	add := func(name string, owner bool, enrol func() Person) {
		p.cast = append(p.cast, &role{Who: Who{name, enrol}, owner: owner})
	}
	add("nobody", false, func() Person { return Person{Reason: "missing"} })
	for _, name := range roles {
		add(name, false, func() Person { return p.Enrol(name) })
	}
	add("the owner", true, func() Person { return p.Enrol(weakest) })
	add("somebody whose account was shut", false, func() Person {
		who := p.Enrol(strongest)
		p.Disable(who)
		who.Role, who.Reason = "", "revoked"
		return who
	})
	add("somebody whose role was taken", false, func() Person {
		who := p.Enrol(strongest)
		p.SetRole(who, weakest)
		who.Role = weakest
		return who
	})
	for _, other := range p.Others {
		add(other.Name, false, other.Make)
	}
	p.subject = p.Enrol(weakest)
	p.look(p.subject)
	for _, r := range p.cast {
		p.replace(r)
	}
}

// replace has somebody else play a role.
func (p *proof) replace(r *role) {
	r.Person = r.Make()
	if r.owner {
		p.look(r.Person)
	}
}

func (p *proof) caseOf(r *role) Case {
	if r.owner {
		return Case{r.Person, r.Person}
	}
	return Case{r.Person, p.subject}
}

// look has the judge see all that there is to see about a person, so that it is known when it gets out.
func (p *proof) look(subject Person) {
	var legs []leg
	for _, target := range p.targets() {
		legs = append(legs, p.legs(target, Case{p.judge, subject})...)
	}
	for _, some := range split(legs) {
		p.fire(trial{about: Case{p.judge, subject}, form: allAtOnce, legs: some})
	}
}

// legs are all ways to query the gated fields of a type.
func (p *proof) legs(t target, cases ...Case) (list []leg) {
	for _, r := range p.routes[t.def.Name] {
		if fields := p.selectable(r, t.fields); r.root == ast.Query && len(fields) > 0 {
			for _, c := range cases {
				list = append(list, leg{c, r, fields})
			}
		}
	}
	return list
}

// along fires the fields at the end of a route, as everybody and in every form. What changes nothing is asked field by field; of what may
// change something, a sign-in, all gated fields are asked at once.
func (p *proof) along(r route, fields []*ast.FieldDefinition) {
	sets := [][]*ast.FieldDefinition{fields}
	if r.root == ast.Query || len(r.steps) == 0 {
		sets = slices.Collect(slices.Chunk(fields, 1))
	}
	for _, asker := range p.cast {
		for _, form := range p.forms {
			for _, set := range sets {
				if set = p.selectable(r, set); len(set) == 0 || p.ended() {
					continue
				}
				c := p.caseOf(asker)
				if changed, variables := p.fire(trial{asker: asker.Name, about: c, form: form, legs: []leg{{c, r, set}}}); changed {
					p.renew(asker, variables)
				}
			}
		}
	}
}

// selectable are those of the fields that the proof is about at the end of a route, and that the end lets one select: an interface
// has not all that its members have.
func (p *proof) selectable(r route, fields []*ast.FieldDefinition) []*ast.FieldDefinition {
	return slices.DeleteFunc(slices.Clone(fields), func(f *ast.FieldDefinition) bool {
		return !p.covers(r, f) || r.direct != nil && r.direct.Fields.ForName(f.Name) == nil
	})
}

// maxAliases is how many aliases are put into one document; the guard has room for more.
const maxAliases = 60

// together fires everything that can be queried of a type at once, about oneself and about somebody else: no verdict is another
// node's or another field's.
func (p *proof) together() {
	for _, asker := range p.cast {
		for _, target := range p.targets() {
			legs := p.legs(target, Case{asker.Person, asker.Person}, Case{asker.Person, p.subject})
			for _, some := range split(legs) {
				if p.ended() {
					return
				}
				p.fire(trial{asker: asker.Name, about: p.caseOf(asker), form: allAtOnce, legs: some})
			}
		}
	}
}

// split keeps the aliases of a document within bounds.
func split(legs []leg) (parts [][]leg) {
	room := 0
	for _, l := range legs {
		n := len(l.route.steps) + len(l.fields)
		if room < n {
			parts, room = append(parts, nil), maxAliases
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], l)
		room -= n
	}
	return parts
}

// trial is one request.
type trial struct {
	asker string // "" for the judge, whose questions are no part of the proof
	about Case
	form  form
	legs  []leg
	page  int // what "first" and "last" are given along the way; 0 leaves them out
}

// leg is one way that is asked along in it.
type leg struct {
	Case
	route  route
	fields []*ast.FieldDefinition
}

// fire asks, and compares. changed says that a field of Mutation was answered, so that those who asked, and whom it was about, may
// not be any more what they were. variables is what was said.
func (p *proof) fire(tr trial) (changed bool, variables map[string]any) {
	if len(tr.legs) == 1 {
		tr.page = max(tr.page, p.pages[tr.legs[0].route.String()])
	}
	d := &document{proof: p, form: tr.form, page: tr.page, variables: map[string]any{}}
	var selections []string
	for _, l := range tr.legs {
		selections = append(selections, d.along(l))
	}
	operation := tr.legs[0].route.root
	query, name := d.finish(operation, strings.Join(selections, " "))
	x, err := p.ask(tr, request{query, name, d.variables})
	if err != nil {
		p.ledger.complain(p.t, tr, query, "", problem{tr.coordinates()[0], "", err.Error()})
		return false, nil
	}
	if parts := p.cheaper(tr, x.answer); parts != nil {
		for _, part := range parts {
			changed, variables = p.fire(part)
		}
		return changed, variables
	}
	p.ledger.note(tr, x)
	for _, found := range x.problems {
		p.ledger.complain(p.t, tr, query, x.answer.body, found)
	}
	return operation == ast.Mutation && slices.ContainsFunc(x.visits, func(v visit) bool { return v.root && v.answered }), d.variables
}

// smallPages are tried one after the other along a route that costs too much.
var smallPages = []int{10, 3, 1}

// cheaper returns what to ask instead of a trial that the server refused because of its cost: each half of the routes, or the only
// route with smaller pages. It returns nil for every other answer, and where the pages are as small as they get.
func (p *proof) cheaper(tr trial, a *answer) []trial {
	costly := func(e answerError) bool { return e.code() == tooComplex && e.Extensions["limit"] == "cost" }
	if !slices.ContainsFunc(a.errors, costly) {
		return nil
	}
	if n := len(tr.legs); n > 1 {
		front, back := tr, tr
		front.legs, back.legs = tr.legs[:n/2], tr.legs[n/2:]
		return []trial{front, back}
	}
	for _, page := range smallPages {
		if tr.page == 0 || page < tr.page {
			tr.page = page
			p.pages[tr.legs[0].route.String()] = page
			return []trial{tr}
		}
	}
	return nil
}

// ask posts a request, and examines the answer and what it took.
func (p *proof) ask(tr trial, q request) (*examiner, error) {
	parsed, mistakes := gqlparser.LoadQueryWithRules(p.Schema, q.Query, nil)
	if mistakes != nil {
		return nil, mistakes
	}
	statements, runs := p.statements(), p.runs()
	a, err := p.post(tr.about.Asker.Token, q)
	if err != nil {
		return nil, err
	}
	x := &examiner{
		proof: p, document: parsed, operation: parsed.Operations.ForName(q.OperationName), variables: q.Variables,
		answer: a, viewer: tr.about.Asker, asked: tr.about,
	}
	x.examine()
	x.leaks()
	x.ran(runs, p.runs())
	x.askedTheDatabase(p.statements()-statements, tr.about.Asker.Token)
	return x, nil
}

func (p *proof) statements() uint64 {
	if p.Statements == nil {
		return 0
	}
	return p.Statements()
}

func (p *proof) runs() map[string]int {
	if p.Runs == nil {
		return nil
	}
	return p.Runs()
}

// renew replaces those whom an operation may have changed: who asked, and whom it was about if it named them, or if nobody asked, so
// that a fixture may have acted for them.
func (p *proof) renew(asker *role, variables map[string]any) {
	if !asker.owner && (asker.ID == "" || mentions(variables, p.subject.ID)) {
		p.subject = p.Enrol(p.Policy.Roles()[0])
		p.look(p.subject)
	}
	p.replace(asker)
}

func mentions(value any, text string) bool {
	switch value := value.(type) {
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(value)), func(v any) bool { return mentions(v, text) })
	case []any:
		return slices.ContainsFunc(value, func(v any) bool { return mentions(v, text) })
	}
	return value == text
}
