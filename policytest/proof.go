package policytest

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

// proof is the state of one Run.
type proof struct {
	App
	t        Reporter
	client   *http.Client
	coverage *coverage
	secrets  secrets
	routes   map[string][]route
	pages    map[string]int // page sizes by route, where the default costs too much
	forms    []form

	actors        []*actor
	stepUp        map[stepUpKey]*actor
	subject       Person        // the user whose objects all actors but the owner query
	admin         *actor        // has the strongest role and, if there is Prove, two factors
	maxSessionAge time.Duration // older sessions of actors are replaced; 0: none
}

// actor is a kind of user that sends requests.
type actor struct {
	Who
	Person
	isOwner  bool // queries their own objects
	isStepUp bool // is an actor of testStepUp
	created  time.Time
}

// gatedRules returns the rules to test.
func (p *proof) gatedRules() (rules []policy.Rule) {
	for _, rule := range p.Policy.Rules() {
		if !rule.Public && p.isCovered(rule) {
			rules = append(rules, rule)
		}
	}
	return rules
}

// isCovered reports whether the proof covers a route to the field. A field without any route
// counts, so that validate reports it.
func (p *proof) isCovered(rule policy.Rule) bool {
	field, routes := p.Schema.Types[rule.Type].Fields.ForName(rule.Field), p.routes[rule.Type]
	if len(routes) == 0 {
		return p.covers(route{}, field)
	}
	return slices.ContainsFunc(routes, func(r route) bool { return p.covers(r, field) })
}

// covers reports whether the proof tests a field at the end of a route.
func (p *proof) covers(r route, field *ast.FieldDefinition) bool {
	folder := cmp.Or(p.Within, p.Without)
	if folder == "" {
		return true
	}
	through := func(s step) bool { return isInFolder(s.field, folder) }
	return (isInFolder(field, folder) || slices.ContainsFunc(r.steps, through)) == (p.Within != "")
}

// mustBeReached reports whether a field must return a value to part actor. A proof Within a folder
// also passes fields of other features, whose lists may be empty.
func (p *proof) mustBeReached(rule policy.Rule) bool {
	return p.Within == "" || isInFolder(p.Schema.Types[rule.Type].Fields.ForName(rule.Field), p.Within)
}

// isInFolder reports whether a field is defined in a file below a folder. gqlgen names files
// relative to its generated package.
func isInFolder(field *ast.FieldDefinition, folder string) bool {
	at := field.Position
	return at != nil && at.Src != nil && strings.Contains("/"+at.Src.Name, "/"+strings.Trim(folder, "/")+"/")
}

// target is a type with its gated fields.
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

// run tests queries first, because mutations can change the actors.
func (p *proof) run() {
	p.setUp()
	for _, operation := range []ast.Operation{ast.Query, ast.Mutation} {
		for _, target := range p.targets() {
			for _, r := range p.routes[target.def.Name] {
				if r.root == operation {
					p.testRoute(r, target.fields, p.actors)
					p.testStepUp(r, target)
				}
			}
		}
		if operation == ast.Query {
			p.testCombined()
		}
	}
}

// isDone reports whether the context has ended.
func (p *proof) isDone() bool { return p.t.Context().Err() != nil }

// setUp creates the actors.
func (p *proof) setUp() {
	roles := p.Policy.Roles()
	weakest, strongest := roles[0], roles[len(roles)-1]
	p.admin = &actor{Who: Who{"the strongest role", func() Person {
		if p.Prove == nil {
			return p.Enrol(strongest)
		}
		return p.prove(p.Enrol(strongest), SessionProof{Enrolled: true, Second: true})
	}}}
	p.replace(p.admin)
	add := func(name string, owner bool, enrol func() Person) {
		p.actors = append(p.actors, &actor{Who: Who{name, enrol}, isOwner: owner})
	}
	add("an anonymous request", false, func() Person { return Person{Reason: "missing"} })
	for _, name := range roles {
		add(name, false, func() Person { return p.Enrol(name) })
	}
	add("the owner", true, func() Person { return p.Enrol(weakest) })
	add("a user whose account was disabled", false, func() Person {
		user := p.Enrol(strongest)
		p.Disable(user)
		user.Role, user.Reason = "", "revoked"
		return user
	})
	add("a user who was demoted", false, func() Person {
		user := p.Enrol(strongest)
		p.SetRole(user, weakest)
		user.Role = weakest
		return user
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

// replace creates a new user for an actor.
func (p *proof) replace(r *actor) {
	r.Person, r.created = r.Make(), time.Now()
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

// recordSecrets queries all gated fields of a user's objects as the admin. A later response that
// contains one of these values to another actor is a leak.
func (p *proof) recordSecrets(subject Person) {
	p.refresh(p.admin)
	var paths []queryPath
	for _, target := range p.targets() {
		paths = append(paths, p.pathsTo(target, Case{p.admin.Person, subject})...)
	}
	for _, part := range splitByAliases(paths) {
		p.runCase(testCase{participants: Case{p.admin.Person, subject}, form: combinedForm, paths: part})
	}
}

// pathsTo returns all paths of queries to the gated fields of a type.
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

// testRoute requests the fields at the end of a route as the given actors and in every form. It
// queries one field per request. Below a mutation, which may change something, it requests all
// gated fields at once.
func (p *proof) testRoute(r route, fields []*ast.FieldDefinition, actors []*actor) {
	sets := [][]*ast.FieldDefinition{fields}
	if r.root == ast.Query || len(r.steps) == 0 {
		sets = slices.Collect(slices.Chunk(fields, 1))
	}
	for _, actor := range actors {
		for _, form := range p.forms {
			for _, set := range sets {
				if set = p.selectable(r, set); len(set) == 0 || p.isDone() {
					continue
				}
				p.refresh(actor)
				c := p.caseOf(actor)
				tc := testCase{
					actor: actor.Name, isStepUp: actor.isStepUp, participants: c, form: form,
					paths: []queryPath{{c, r, set}},
				}
				if changed, variables := p.runCase(tc); changed {
					p.replaceChanged(actor, variables)
				}
			}
		}
	}
}

// selectable returns the fields that the proof covers at the end of a route and that can be
// selected there. An interface does not have all fields of its implementors.
func (p *proof) selectable(r route, fields []*ast.FieldDefinition) []*ast.FieldDefinition {
	return slices.DeleteFunc(slices.Clone(fields), func(f *ast.FieldDefinition) bool {
		return !p.covers(r, f) || r.direct != nil && r.direct.Fields.ForName(f.Name) == nil
	})
}

// maxAliases is the maximum number of aliases in a document. The server allows more.
const maxAliases = 60

// testCombined requests all paths to a type at once, for the actor's own objects and for those of
// another user. It shows that the decision on one field or object is not reused for another.
func (p *proof) testCombined() {
	for _, actor := range p.actors {
		p.refresh(actor)
		for _, target := range p.targets() {
			paths := p.pathsTo(target, Case{actor.Person, actor.Person}, Case{actor.Person, p.subject})
			for _, part := range splitByAliases(paths) {
				if p.isDone() {
					return
				}
				p.runCase(testCase{actor: actor.Name, participants: p.caseOf(actor), form: combinedForm, paths: part})
			}
		}
	}
}

// splitByAliases splits paths so that each document has at most maxAliases aliases.
func splitByAliases(paths []queryPath) (parts [][]queryPath) {
	room := 0
	for _, l := range paths {
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
	actor        string // "" for the admin, whose requests are not part of the coverage
	isStepUp     bool   // the actor is one of testStepUp
	participants Case
	form         form
	paths        []queryPath
	page         int // the argument first or last along the route; 0 omits it
}

// queryPath is one route of a test case, with the fields to select at its end.
type queryPath struct {
	Case
	route  route
	fields []*ast.FieldDefinition
}

// runCase sends a test case and checks the response. changed reports whether a field of Mutation
// succeeded, so that the actor and the subject may have changed. variables are those of the
// request.
func (p *proof) runCase(tc testCase) (changed bool, variables map[string]any) {
	if len(tc.paths) == 1 {
		tc.page = max(tc.page, p.pages[tc.paths[0].route.String()])
	}
	d := &document{proof: p, form: tc.form, page: tc.page, variables: map[string]any{}}
	var selections []string
	for _, l := range tc.paths {
		selections = append(selections, d.pathSelection(l))
	}
	operation := tc.paths[0].route.root
	query, name := d.build(operation, strings.Join(selections, " "))
	x, err := p.execute(tc, request{query, name, d.variables})
	if err != nil {
		p.coverage.reportProblem(p.t, tc, query, "", problem{tc.coordinates()[0], "", err.Error()})
		return false, nil
	}
	if parts := p.splitCostly(tc, x.response); parts != nil {
		for _, part := range parts {
			changed, variables = p.runCase(part)
		}
		return changed, variables
	}
	p.coverage.record(tc, x)
	for _, found := range x.problems {
		p.coverage.reportProblem(p.t, tc, query, x.response.body, found)
	}
	succeeded := func(v fieldResult) bool { return v.isRoot && v.hasValue }
	return operation == ast.Mutation && slices.ContainsFunc(x.results, succeeded), d.variables
}

// smallPageSizes are tried in order along a route that costs too much.
var smallPageSizes = []int{10, 3, 1}

// splitCostly returns the test cases to send instead of one that the server rejected because of its
// cost: each half of the paths, or the only path with smaller pages. It returns nil for every other
// response, and if the pages cannot get smaller.
func (p *proof) splitCostly(tc testCase, a *graphQLResponse) []testCase {
	costly := func(e responseError) bool { return e.code() == tooComplex && e.Extensions["limit"] == "cost" }
	if !slices.ContainsFunc(a.errors, costly) {
		return nil
	}
	if n := len(tc.paths); n > 1 {
		front, back := tc, tc
		front.paths, back.paths = tc.paths[:n/2], tc.paths[n/2:]
		return []testCase{front, back}
	}
	for _, page := range smallPageSizes {
		if tc.page == 0 || page < tc.page {
			tc.page = page
			p.pages[tc.paths[0].route.String()] = page
			return []testCase{tc}
		}
	}
	return nil
}

// execute sends a request, and checks the response and its cost.
func (p *proof) execute(tc testCase, q request) (*responseChecker, error) {
	parsed, mistakes := gqlparser.LoadQueryWithRules(p.Schema, q.Query, nil)
	if mistakes != nil {
		return nil, mistakes
	}
	statements, runs := p.statements(), p.runs()
	a, err := p.post(tc.participants.Asker.Token, q)
	if err != nil {
		return nil, err
	}
	x := &responseChecker{
		proof: p, document: parsed, operation: parsed.Operations.ForName(q.OperationName), variables: q.Variables,
		response: a, viewer: tc.participants.Asker, participants: tc.participants,
	}
	x.check()
	x.checkLeaks()
	x.checkResolverRuns(runs, p.runs())
	x.checkStatements(p.statements()-statements, tc.participants.Asker.Token)
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

// replaceChanged replaces the users that an operation may have changed: the actor, and the subject
// if a variable names it. After an anonymous request it also replaces the subject, because a
// fixture may have acted for that user.
func (p *proof) replaceChanged(actor *actor, variables map[string]any) {
	if !actor.isOwner && (actor.ID == "" || mentions(variables, p.subject.ID)) {
		p.subject = p.Enrol(p.Policy.Roles()[0])
		p.recordSecrets(p.subject)
	}
	p.replace(actor)
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
