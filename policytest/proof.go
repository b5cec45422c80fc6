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
	t        Reporter
	client   *http.Client
	coverage *coverage
	secrets  secrets
	routes   map[string][]route
	pages    map[string]int // by route, of those that cost too much with pages of the usual size
	forms    []form

	actors  []*actor
	subject Person // whom everybody but the owner asks about
	admin   Person // who may see everything
}

// actor is one of those who ask.
type actor struct {
	Who
	Person
	isOwner bool // asks about themselves
}

// gatedRules are the rules that are to be proven.
func (p *proof) gatedRules() (rules []policy.Rule) {
	for _, rule := range p.Policy.Rules() {
		if !rule.Public && p.isCovered(rule) {
			rules = append(rules, rule)
		}
	}
	return rules
}

// isCovered reports whether a field is reached by a route that the proof covers. One that is not reached at all is reported.
func (p *proof) isCovered(rule policy.Rule) bool {
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
	through := func(s step) bool { return isInFolder(s.field, folder) }
	return (isInFolder(field, folder) || slices.ContainsFunc(r.steps, through)) == (p.Within != "")
}

// mustBeReached reports whether a field has to be answered to somebody. A proof Within a folder passes fields of others, which may
// be empty where it finds them.
func (p *proof) mustBeReached(rule policy.Rule) bool {
	return p.Within == "" || isInFolder(p.Schema.Types[rule.Type].Fields.ForName(rule.Field), p.Within)
}

// isInFolder reports whether a field is defined in a file below a folder. gqlgen names files as seen from its generated package.
func isInFolder(field *ast.FieldDefinition, folder string) bool {
	at := field.Position
	return at != nil && at.Src != nil && strings.Contains("/"+at.Src.Name, "/"+strings.Trim(folder, "/")+"/")
}

// target is a type with the gated fields that it has.
type target struct {
	def    *ast.Definition
	fields []*ast.FieldDefinition
}

func (p *proof) targets() (list []target) {
	for _, rule := range p.gatedRules() {
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
	p.setUp()
	for _, operation := range []ast.Operation{ast.Query, ast.Mutation} {
		for _, target := range p.targets() {
			for _, r := range p.routes[target.def.Name] {
				if r.root == operation {
					p.testRoute(r, target.fields)
				}
			}
		}
		if operation == ast.Query {
			p.testCombined()
		}
	}
}

// isDone says that nobody waits for more.
func (p *proof) isDone() bool { return p.t.Context().Err() != nil }

// setUp makes those who ask.
func (p *proof) setUp() {
	roles := p.Policy.Roles()
	weakest, strongest := roles[0], roles[len(roles)-1]
	p.admin = p.Enrol(strongest)
	add := func(name string, owner bool, enrol func() Person) {
		p.actors = append(p.actors, &actor{Who: Who{name, enrol}, isOwner: owner})
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
	p.recordSecrets(p.subject)
	for _, r := range p.actors {
		p.replace(r)
	}
}

// replace has somebody else play a role.
func (p *proof) replace(r *actor) {
	r.Person = r.Make()
	if r.isOwner {
		p.recordSecrets(r.Person)
	}
}

func (p *proof) caseOf(r *actor) Case {
	if r.isOwner {
		return Case{r.Person, r.Person}
	}
	return Case{r.Person, p.subject}
}

// recordSecrets has the judge see all that there is to see about a person, so that it is known when it gets out.
func (p *proof) recordSecrets(subject Person) {
	var legs []queryPath
	for _, target := range p.targets() {
		legs = append(legs, p.pathsTo(target, Case{p.admin, subject})...)
	}
	for _, some := range splitByAliases(legs) {
		p.runCase(testCase{participants: Case{p.admin, subject}, form: combinedForm, paths: some})
	}
}

// paths are all ways to query the gated fields of a type.
func (p *proof) pathsTo(t target, cases ...Case) (list []queryPath) {
	for _, r := range p.routes[t.def.Name] {
		if fields := p.selectable(r, t.fields); r.root == ast.Query && len(fields) > 0 {
			for _, c := range cases {
				list = append(list, queryPath{c, r, fields})
			}
		}
	}
	return list
}

// pathSelection fires the fields at the end of a route, as everybody and in every form. What changes nothing is asked field by field; of what may
// change something, a sign-in, all gated fields are asked at once.
func (p *proof) testRoute(r route, fields []*ast.FieldDefinition) {
	sets := [][]*ast.FieldDefinition{fields}
	if r.root == ast.Query || len(r.steps) == 0 {
		sets = slices.Collect(slices.Chunk(fields, 1))
	}
	for _, asker := range p.actors {
		for _, form := range p.forms {
			for _, set := range sets {
				if set = p.selectable(r, set); len(set) == 0 || p.isDone() {
					continue
				}
				c := p.caseOf(asker)
				if changed, variables := p.runCase(testCase{actor: asker.Name, participants: c, form: form, paths: []queryPath{{c, r, set}}}); changed {
					p.replaceChanged(asker, variables)
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

// testCombined fires everything that can be queried of a type at once, about oneself and about somebody else: no verdict is another
// node's or another field's.
func (p *proof) testCombined() {
	for _, asker := range p.actors {
		for _, target := range p.targets() {
			legs := p.pathsTo(target, Case{asker.Person, asker.Person}, Case{asker.Person, p.subject})
			for _, some := range splitByAliases(legs) {
				if p.isDone() {
					return
				}
				p.runCase(testCase{actor: asker.Name, participants: p.caseOf(asker), form: combinedForm, paths: some})
			}
		}
	}
}

// splitByAliases keeps the aliases of a document within bounds.
func splitByAliases(legs []queryPath) (parts [][]queryPath) {
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

// testCase is one request.
type testCase struct {
	actor        string // "" for the judge, whose questions are no part of the proof
	participants Case
	form         form
	paths        []queryPath
	page         int // what "first" and "last" are given along the way; 0 leaves them out
}

// queryPath is one way that is asked along in it.
type queryPath struct {
	Case
	route  route
	fields []*ast.FieldDefinition
}

// runCase asks, and compares. changed says that a field of Mutation was answered, so that those who asked, and whom it was about, may
// not be any more what they were. variables is what was said.
func (p *proof) runCase(tr testCase) (changed bool, variables map[string]any) {
	if len(tr.paths) == 1 {
		tr.page = max(tr.page, p.pages[tr.paths[0].route.String()])
	}
	d := &document{proof: p, form: tr.form, page: tr.page, variables: map[string]any{}}
	var selections []string
	for _, l := range tr.paths {
		selections = append(selections, d.pathSelection(l))
	}
	operation := tr.paths[0].route.root
	query, name := d.build(operation, strings.Join(selections, " "))
	x, err := p.execute(tr, request{query, name, d.variables})
	if err != nil {
		p.coverage.reportProblem(p.t, tr, query, "", problem{tr.coordinates()[0], "", err.Error()})
		return false, nil
	}
	if parts := p.splitCostly(tr, x.response); parts != nil {
		for _, part := range parts {
			changed, variables = p.runCase(part)
		}
		return changed, variables
	}
	p.coverage.record(tr, x)
	for _, found := range x.problems {
		p.coverage.reportProblem(p.t, tr, query, x.response.body, found)
	}
	return operation == ast.Mutation && slices.ContainsFunc(x.results, func(v fieldResult) bool { return v.isRoot && v.hasValue }), d.variables
}

// smallPageSizes are tried one after the other along a route that costs too much.
var smallPageSizes = []int{10, 3, 1}

// splitCostly returns what to ask instead of a trial that the server refused because of its cost: each half of the routes, or the only
// route with smaller pages. It returns nil for every other answer, and where the pages are as small as they get.
func (p *proof) splitCostly(tr testCase, a *graphQLResponse) []testCase {
	costly := func(e responseError) bool { return e.code() == tooComplex && e.Extensions["limit"] == "cost" }
	if !slices.ContainsFunc(a.errors, costly) {
		return nil
	}
	if n := len(tr.paths); n > 1 {
		front, back := tr, tr
		front.paths, back.paths = tr.paths[:n/2], tr.paths[n/2:]
		return []testCase{front, back}
	}
	for _, page := range smallPageSizes {
		if tr.page == 0 || page < tr.page {
			tr.page = page
			p.pages[tr.paths[0].route.String()] = page
			return []testCase{tr}
		}
	}
	return nil
}

// execute posts a request, and examines the answer and what it took.
func (p *proof) execute(tr testCase, q request) (*responseChecker, error) {
	parsed, mistakes := gqlparser.LoadQueryWithRules(p.Schema, q.Query, nil)
	if mistakes != nil {
		return nil, mistakes
	}
	statements, runs := p.statements(), p.runs()
	a, err := p.post(tr.participants.Asker.Token, q)
	if err != nil {
		return nil, err
	}
	x := &responseChecker{
		proof: p, document: parsed, operation: parsed.Operations.ForName(q.OperationName), variables: q.Variables,
		response: a, viewer: tr.participants.Asker, participants: tr.participants,
	}
	x.check()
	x.checkLeaks()
	x.checkResolverRuns(runs, p.runs())
	x.checkStatements(p.statements()-statements, tr.participants.Asker.Token)
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

// replaceChanged replaces those whom an operation may have changed: who asked, and whom it was about if it named them, or if nobody asked, so
// that a fixture may have acted for them.
func (p *proof) replaceChanged(asker *actor, variables map[string]any) {
	if !asker.isOwner && (asker.ID == "" || mentions(variables, p.subject.ID)) {
		p.subject = p.Enrol(p.Policy.Roles()[0])
		p.recordSecrets(p.subject)
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
