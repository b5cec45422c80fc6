package policytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/fgerr"
	"fieldgate/internal/policy"
)

// responseChecker compares one response with the rules. It does not know how the document was
// built: it executes the document again, over the response instead of the data, and checks each
// field against the policy and the owner of its object.
type responseChecker struct {
	*proof
	document     *ast.QueryDocument
	operation    *ast.OperationDefinition
	variables    map[string]any
	response     *graphQLResponse
	viewer       Person
	participants Case

	errors        map[string][]responseError // by path; without those that were expected
	problems      []problem
	results       []fieldResult
	allowedValues map[string]bool // every text in a field that the viewer may read
}

// problem is a difference between the response and the rules.
type problem struct{ coordinate, kind, text string }

// fieldResult is the result of a gated field or a root field in the response.
type fieldResult struct {
	coordinate string
	isRoot     bool
	isAllowed  bool
	isStepUp   bool // denied with STEP_UP_REQUIRED
	hasValue   bool // without an error, and not null
	subfields  []string
}

const (
	unauthenticated = fgerr.Unauthenticated
	forbidden       = fgerr.Forbidden
	stepUpRequired  = fgerr.StepUpRequired
	tooComplex      = fgerr.QueryTooComplex
)

// nonResolverCodes are the codes of errors that say nothing about the gate. All other codes come
// from the field's resolver.
var nonResolverCodes = []string{
	"", unauthenticated, forbidden, stepUpRequired, tooComplex,
	fgerr.Internal, fgerr.Unavailable, fgerr.Overloaded, fgerr.RateLimited,
	fgerr.GraphQLParseFailed, fgerr.GraphQLValidationFailed,
}

func (x *responseChecker) check() {
	x.errors, x.allowedValues = map[string][]responseError{}, map[string]bool{}
	for _, e := range x.response.errors {
		x.errors[e.dottedPath()] = append(x.errors[e.dottedPath()], e)
	}
	root, typeName := x.Schema.Query, "Query"
	if x.operation.Operation == ast.Mutation {
		root, typeName = x.Schema.Mutation, "Mutation"
	}
	fields := x.collect(x.operation.SelectionSet, root)
	switch {
	case x.response.status != 200:
		x.report(typeName, "status %d, want 200", x.response.status)
	case x.countCredentials(x.operation.SelectionSet) > 1:
		x.checkOperationRejected(typeName)
	case x.response.data == nil:
		x.checkNullData(fields, root)
	default:
		x.checkObject(fields, root, x.response.data, "")
	}
	for _, path := range slices.Sorted(maps.Keys(x.errors)) {
		for _, e := range x.errors[path] {
			x.report(x.coordinateAt(e, typeName), "unexpected error %s %q at %q", e.code(), e.Message, path)
		}
	}
}

func (x *responseChecker) report(coordinate, format string, args ...any) {
	x.problems = append(x.problems, problem{coordinate, format, fmt.Sprintf(format, args...)})
}

// coordinateAt returns the coordinate of the field at an error's path, as far as the document shows
// it.
func (x *responseChecker) coordinateAt(e responseError, root string) string {
	coordinate := root
	def, sets := x.Schema.Types[root], []ast.SelectionSet{x.operation.SelectionSet}
	for _, p := range e.Path {
		key, ok := p.(string)
		if !ok {
			continue
		}
		for _, member := range possibleTypes(x.Schema, def) {
			for _, f := range x.collect(slices.Concat(sets...), member) {
				if f.key == key && f.def != nil {
					coordinate = member.Name + "." + f.name
					sets, def = []ast.SelectionSet{f.selectionSet}, x.Schema.Types[f.def.Type.Name()]
				}
			}
		}
	}
	return coordinate
}

// selectedField is a field of the response, merged from all of its selections.
type selectedField struct {
	key, name    string
	def          *ast.FieldDefinition // nil for __typename
	selectionSet ast.SelectionSet
}

// collect implements CollectFields of the GraphQL specification, section 6.3.2.
func (x *responseChecker) collect(set ast.SelectionSet, on *ast.Definition) (fields []selectedField) {
	for _, s := range x.flatten(set, on) {
		i := slices.IndexFunc(fields, func(f selectedField) bool { return f.key == s.Alias })
		if i < 0 {
			i, fields = len(fields), append(fields,
				selectedField{key: s.Alias, name: s.Name, def: on.Fields.ForName(s.Name)})
		}
		fields[i].selectionSet = append(fields[i].selectionSet, s.SelectionSet...)
	}
	return fields
}

func (x *responseChecker) flatten(set ast.SelectionSet, on *ast.Definition) (fields []*ast.Field) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if x.isIncluded(s.Directives) {
				fields = append(fields, s)
			}
		case *ast.InlineFragment:
			if x.isIncluded(s.Directives) && x.typeApplies(s.TypeCondition, on) {
				fields = append(fields, x.flatten(s.SelectionSet, on)...)
			}
		case *ast.FragmentSpread:
			fragment := x.document.Fragments.ForName(s.Name)
			if x.isIncluded(s.Directives) && x.typeApplies(fragment.TypeCondition, on) {
				fields = append(fields, x.flatten(fragment.SelectionSet, on)...)
			}
		}
	}
	return fields
}

func (x *responseChecker) isIncluded(directives ast.DirectiveList) bool {
	for name, want := range map[string]bool{"include": true, "skip": false} {
		if d := directives.ForName(name); d != nil && x.variables[d.Arguments.ForName("if").Value.Raw] != want {
			return false
		}
	}
	return true
}

func (x *responseChecker) typeApplies(condition string, on *ast.Definition) bool {
	if condition == "" || condition == on.Name {
		return true
	}
	return slices.Contains(x.Schema.GetPossibleTypes(x.Schema.Types[condition]), on)
}

// checkObject checks an object of the response. A field of a mutation can change the viewer of the
// following fields.
func (x *responseChecker) checkObject(fields []selectedField, on *ast.Definition, data map[string]any, at string) {
	if len(data) != len(fields) {
		x.report(on.Name, "at %q got the fields %v, want %d fields", at, slices.Sorted(maps.Keys(data)), len(fields))
	}
	owner := x.ownerOf(on.Name, data)
	for _, f := range fields {
		path := strings.TrimPrefix(at+"."+f.key, ".")
		value, present := data[f.key]
		switch {
		case f.name == "__typename":
			if value != on.Name {
				x.report(on.Name, "%s is %v, want %s", path, value, on.Name)
			}
		case !present:
			x.report(on.Name+"."+f.name, "no value at %s", path)
		default:
			x.checkField(f, on, owner, value, path)
		}
	}
}

func (x *responseChecker) ownerOf(typeName string, data any) string {
	path := splitPath(x.Owners[typeName])
	if len(path) == 0 {
		return ""
	}
	for _, name := range path {
		object, _ := data.(map[string]any)
		data = object[name]
	}
	owner, _ := data.(string)
	return owner
}

func (x *responseChecker) checkField(f selectedField, on *ast.Definition, owner string, value any, path string) {
	coordinate := on.Name + "." + f.name
	errors := x.errors[path]
	delete(x.errors, path)
	rule, ruled := x.Policy.Rule(on.Name, f.name)
	denial := denial{}
	if ruled {
		denial = x.expectedDenial(rule, owner)
		x.results = append(x.results, fieldResult{
			coordinate: coordinate, isRoot: rule.Root,
			isAllowed: denial.code == "", isStepUp: denial.code == stepUpRequired,
			hasValue: len(errors) == 0 && value != nil, subfields: x.subfields(f),
		})
	}
	if denial.code != "" {
		x.checkDenied(rule, denial, errors, value, path)
		return
	}
	for _, e := range errors {
		if slices.Contains(nonResolverCodes, e.code()) && !x.isResolverStepUp(rule, e) {
			x.report(coordinate, "%s is allowed, but got %s %q at %s", x.viewerName(), e.code(), e.Message, path)
		}
	}
	if value == nil {
		if f.def.Type.NonNull {
			x.report(coordinate, "%s is null, but its type is non-null", path)
		}
		return
	}
	viewer := x.fixture(x.participants, coordinate).Viewer
	if on == x.Schema.Mutation && viewer != nil && len(errors) == 0 {
		x.viewer = *viewer
	}
	x.checkValue(f, coordinate, value, path)
}

// denial is the expected error of a denied field. The zero value means allowed.
type denial struct {
	code       string
	extensions []extension
}

// extension is an expected extension of an error.
type extension struct {
	key   string
	value any
}

// expectedDenial checks the role or the ownership first, and then the proof of identity.
func (x *responseChecker) expectedDenial(rule policy.Rule, owner string) denial {
	isOwner := rule.OrOwner && (x.viewer.ID == "" || x.viewer.ID == owner)
	switch {
	case rule.Public:
		return denial{}
	case x.viewer.Role == "":
		return denial{unauthenticated, []extension{{"reason", x.viewer.Reason}}}
	case !isOwner && !x.Policy.Includes(x.viewer.Role, rule.Role):
		return denial{forbidden, []extension{{"requires", rule.Role}}}
	case !x.viewer.Proof.meets(rule.Proof):
		return stepUpDenial(rule.Proof)
	}
	return denial{}
}

// isResolverStepUp reports whether a resolver may have returned STEP_UP_REQUIRED itself, as some do
// that take a password or a proof. A session that was just opened never needs it.
func (x *responseChecker) isResolverStepUp(rule policy.Rule, e responseError) bool {
	return e.code() == stepUpRequired && !rule.Proof.Required() && x.viewer.Proof != SessionProof{}
}

func (x *responseChecker) checkDenied(rule policy.Rule, want denial, errors []responseError, value any, path string) {
	coordinate := rule.Coordinate()
	if value != nil {
		x.report(coordinate, "%s is not allowed, but got %.80v at %s", x.viewerName(), value, path)
	}
	if len(errors) != 1 {
		x.report(coordinate, "got %d errors at %s, want one with code %s", len(errors), path, want.code)
	}
	for _, e := range errors {
		for _, extension := range want.extensions {
			// Sprint makes numbers equal whose types differ.
			if got := e.Extensions[extension.key]; e.code() != want.code || fmt.Sprint(got) != fmt.Sprint(extension.value) {
				x.report(coordinate, "%s at %s got code %s, %s %v; want %s, %s %v", x.viewerName(), path, e.code(),
					extension.key, got, want.code, extension.key, extension.value)
				break
			}
		}
		if want.code == stepUpRequired && e.code() == stepUpRequired {
			x.checkMethods(coordinate, rule.Proof, e)
		}
	}
}

func (x *responseChecker) viewerName() string {
	if x.viewer.Role == "" {
		return "anonymous (" + x.viewer.Reason + ")"
	}
	return x.viewer.Role
}

// checkValue checks lists and objects recursively, and records the texts that the viewer may read.
func (x *responseChecker) checkValue(f selectedField, coordinate string, value any, path string) {
	switch value := value.(type) {
	case []any:
		for i, v := range value {
			if v != nil {
				x.checkValue(f, coordinate, v, fmt.Sprint(path, ".", i))
			}
		}
	case map[string]any:
		typeName, _ := value["__typename"].(string)
		on := x.Schema.Types[typeName]
		if on == nil || !slices.Contains(possibleTypes(x.Schema, x.Schema.Types[f.def.Type.Name()]), on) {
			x.report(coordinate, "%s is a %q, want a %s", path, typeName, f.def.Type.Name())
			return
		}
		x.checkObject(x.collect(f.selectionSet, on), on, value, path)
	case string:
		x.allowedValues[value] = true
		x.secrets.add(x.Schema, coordinate, f.def, value)
	}
}

// checkNullData checks a response without data. Only a non-null root field whose own resolver
// failed may cause it.
func (x *responseChecker) checkNullData(fields []selectedField, root *ast.Definition) {
	explained := false
	for _, f := range fields {
		rule, _ := x.Policy.Rule(root.Name, f.name)
		errors := x.errors[f.key]
		switch want := x.expectedDenial(rule, ""); {
		case f.def == nil:
			continue
		case want.code != "":
			delete(x.errors, f.key)
			x.checkDenied(rule, want, errors, nil, f.key)
		case len(errors) == 1 && f.def.Type.NonNull && !slices.Contains(nonResolverCodes, errors[0].code()):
			delete(x.errors, f.key)
			explained = true
		}
		want := x.expectedDenial(rule, "").code
		x.results = append(x.results,
			fieldResult{root.Name + "." + f.name, true, want == "", want == stepUpRequired, false, x.subfields(f)})
	}
	if !explained {
		x.report(root.Name, "the response has no data")
	}
}

// countCredentials counts the root fields with @credential. The server rejects an operation with
// two.
func (x *responseChecker) countCredentials(set ast.SelectionSet) (n int) {
	if x.operation.Operation != ast.Mutation {
		return 0
	}
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			field := x.Schema.Mutation.Fields.ForName(s.Name)
			if field != nil && field.Directives.ForName("credential") != nil {
				n++
			}
		case *ast.InlineFragment:
			n += x.countCredentials(s.SelectionSet)
		case *ast.FragmentSpread:
			n += x.countCredentials(x.document.Fragments.ForName(s.Name).SelectionSet)
		}
	}
	return n
}

func (x *responseChecker) checkOperationRejected(root string) {
	if len(x.response.errors) != 1 || x.response.errors[0].code() != tooComplex || x.response.data != nil {
		x.report(root, "two fields of one operation have @credential; want the error %s alone", tooComplex)
	}
	clear(x.errors)
}

// subfields returns the coordinates of the fields that are selected beneath a field. They must not
// leak if it is denied.
func (x *responseChecker) subfields(f selectedField) (coordinates []string) {
	if f.def == nil {
		return nil
	}
	for _, on := range possibleTypes(x.Schema, x.Schema.Types[f.def.Type.Name()]) {
		for _, field := range x.collect(f.selectionSet, on) {
			if field.def != nil {
				coordinates = append(append(coordinates, on.Name+"."+field.name), x.subfields(field)...)
			}
		}
	}
	return coordinates
}

// checkLeaks searches the whole response for denied values: under other names, in error messages
// and in extensions.
func (x *responseChecker) checkLeaks() {
	for _, v := range x.results {
		if v.isAllowed {
			continue
		}
		for _, coordinate := range append([]string{v.coordinate}, v.subfields...) {
			for _, secret := range x.secrets[coordinate] {
				body := x.response.body
				if !x.allowedValues[secret] && (strings.Contains(body, secret) || strings.Contains(body, jsonEscape(secret))) {
					x.report(coordinate, "%s is not allowed, but the response contains it: %s", x.viewerName(), secret)
				}
			}
		}
	}
}

// checkResolverRuns compares how often the resolvers of gated fields ran with how often they may
// run.
func (x *responseChecker) checkResolverRuns(before, after map[string]int) {
	may := map[string]int{}
	for _, v := range x.results {
		may[v.coordinate] += 0
		if v.isAllowed {
			may[v.coordinate]++
		}
		for _, coordinate := range v.subfields {
			may[coordinate] += 0
		}
	}
	for coordinate, n := range may {
		if _, ruled := x.Policy.Rule(splitCoordinate(coordinate)); ruled && after[coordinate]-before[coordinate] > n {
			x.report(coordinate, "resolver ran %d times, want at most %d", after[coordinate]-before[coordinate], n)
		}
	}
}

func splitCoordinate(coordinate string) (typeName, field string) {
	typeName, field, _ = strings.Cut(coordinate, ".")
	return typeName, field
}

// checkStatements checks what a denied operation cost: one SQL statement at most, a second one for
// STEP_UP_REQUIRED, which names the user's factors, and none for an anonymous request.
func (x *responseChecker) checkStatements(statements uint64, token string) {
	allowed := slices.ContainsFunc(x.results, func(v fieldResult) bool { return v.isRoot && v.isAllowed })
	most := uint64(1)
	switch {
	case token == "" || len(x.results) == 0:
		most = 0
	case slices.ContainsFunc(x.results, func(v fieldResult) bool { return v.isStepUp }):
		most = 2
	}
	if !allowed && statements > most {
		coordinate := x.operation.Name
		if len(x.results) > 0 {
			coordinate = x.results[0].coordinate
		}
		x.report(coordinate, "denied at the cost of %d statements, want at most %d", statements, most)
	}
}
