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

// examiner compares one answer with what the rules say. It knows nothing of how the document was made: it executes the
// document anew, over the answer instead of the data, and judges each field by the policy and by whose each object is.
type examiner struct {
	*proof
	document  *ast.QueryDocument
	operation *ast.OperationDefinition
	variables map[string]any
	answer    *answer
	viewer    Person
	asked     Case

	errors   map[string][]answerError // by path, those that were not expected yet
	problems []problem
	visits   []visit
	shown    map[string]bool // every text at a place where the viewer may see it
}

// problem is a difference between the answer and the rules.
type problem struct{ coordinate, kind, text string }

// visit is a gated field, or a field of a root, that was reached in the answer.
type visit struct {
	coordinate string
	root       bool
	allowed    bool
	answered   bool // without an error, and not null
	below      []string
}

const (
	unauthenticated = fgerr.Unauthenticated
	forbidden       = fgerr.Forbidden
	tooComplex      = fgerr.QueryTooComplex
)

// notTheField are codes of errors that say nothing about whether the gate is open. Any other code is a field's own.
var notTheField = []string{
	"", unauthenticated, forbidden, fgerr.Internal, fgerr.Unavailable, fgerr.Overloaded, fgerr.RateLimited, tooComplex,
	fgerr.GraphQLParseFailed, fgerr.GraphQLValidationFailed,
}

func (x *examiner) examine() {
	x.errors, x.shown = map[string][]answerError{}, map[string]bool{}
	for _, e := range x.answer.errors {
		x.errors[e.path()] = append(x.errors[e.path()], e)
	}
	root, typeName := x.Schema.Query, "Query"
	if x.operation.Operation == ast.Mutation {
		root, typeName = x.Schema.Mutation, "Mutation"
	}
	fields := x.collect(x.operation.SelectionSet, root)
	switch {
	case x.answer.status != 200:
		x.blame(typeName, "the status is %d", x.answer.status)
	case x.credentials(x.operation.SelectionSet) > 1:
		x.refusedAsAWhole(typeName)
	case x.answer.data == nil:
		x.emptied(fields, root)
	default:
		x.object(fields, root, x.answer.data, "")
	}
	for _, path := range slices.Sorted(maps.Keys(x.errors)) {
		for _, e := range x.errors[path] {
			x.blame(x.coordinateAt(e, typeName), "an error that nothing explains: %s %q at %q", e.code(), e.Message, path)
		}
	}
}

func (x *examiner) blame(coordinate, format string, args ...any) {
	x.problems = append(x.problems, problem{coordinate, format, fmt.Sprintf(format, args...)})
}

// coordinateAt is the field that an error is about, as far as the document tells.
func (x *examiner) coordinateAt(e answerError, root string) string {
	coordinate := root
	def, sets := x.Schema.Types[root], []ast.SelectionSet{x.operation.SelectionSet}
	for _, p := range e.Path {
		key, ok := p.(string)
		if !ok {
			continue
		}
		for _, member := range membersOf(x.Schema, def) {
			for _, f := range x.collect(slices.Concat(sets...), member) {
				if f.key == key && f.def != nil {
					coordinate, sets, def = member.Name+"."+f.name, []ast.SelectionSet{f.below}, x.Schema.Types[f.def.Type.Name()]
				}
			}
		}
	}
	return coordinate
}

// selected is a field that is to be answered, merged of all its selections.
type selected struct {
	key, name string
	def       *ast.FieldDefinition // nil for __typename
	below     ast.SelectionSet
}

// collect is CollectFields of GraphQL's specification, section 6.3.2.
func (x *examiner) collect(set ast.SelectionSet, on *ast.Definition) (fields []selected) {
	for _, s := range x.flat(set, on) {
		i := slices.IndexFunc(fields, func(f selected) bool { return f.key == s.Alias })
		if i < 0 {
			i, fields = len(fields), append(fields, selected{key: s.Alias, name: s.Name, def: on.Fields.ForName(s.Name)})
		}
		fields[i].below = append(fields[i].below, s.SelectionSet...)
	}
	return fields
}

func (x *examiner) flat(set ast.SelectionSet, on *ast.Definition) (fields []*ast.Field) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if x.included(s.Directives) {
				fields = append(fields, s)
			}
		case *ast.InlineFragment:
			if x.included(s.Directives) && x.applies(s.TypeCondition, on) {
				fields = append(fields, x.flat(s.SelectionSet, on)...)
			}
		case *ast.FragmentSpread:
			if fragment := x.document.Fragments.ForName(s.Name); x.included(s.Directives) && x.applies(fragment.TypeCondition, on) {
				fields = append(fields, x.flat(fragment.SelectionSet, on)...)
			}
		}
	}
	return fields
}

func (x *examiner) included(directives ast.DirectiveList) bool {
	for name, want := range map[string]bool{"include": true, "skip": false} {
		if d := directives.ForName(name); d != nil && x.variables[d.Arguments.ForName("if").Value.Raw] != want {
			return false
		}
	}
	return true
}

func (x *examiner) applies(condition string, on *ast.Definition) bool {
	if condition == "" || condition == on.Name {
		return true
	}
	return slices.Contains(x.Schema.GetPossibleTypes(x.Schema.Types[condition]), on)
}

// object compares what was answered of an object. The fields of a mutation change who asks the next one.
func (x *examiner) object(fields []selected, on *ast.Definition, data map[string]any, at string) {
	if len(data) != len(fields) {
		x.blame(on.Name, "at %q there are %v, and %d fields were asked for", at, slices.Sorted(maps.Keys(data)), len(fields))
	}
	owner := x.ownerOf(on.Name, data)
	for _, f := range fields {
		path := strings.TrimPrefix(at+"."+f.key, ".")
		value, present := data[f.key]
		switch {
		case f.name == "__typename":
			if value != on.Name {
				x.blame(on.Name, "%s is %v, want %s", path, value, on.Name)
			}
		case !present:
			x.blame(on.Name+"."+f.name, "nothing at %s", path)
		default:
			x.field(f, on, owner, value, path)
		}
	}
}

func (x *examiner) ownerOf(typeName string, data any) string {
	path := segments(x.Owners[typeName])
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

func (x *examiner) field(f selected, on *ast.Definition, owner string, value any, path string) {
	coordinate := on.Name + "." + f.name
	errors := x.errors[path]
	delete(x.errors, path)
	rule, ruled := x.Policy.Rule(on.Name, f.name)
	denial := denial{}
	if ruled {
		denial = x.verdict(rule, owner)
		x.visits = append(x.visits, visit{coordinate, rule.Root, denial.code == "", len(errors) == 0 && value != nil, x.below(f)})
	}
	if denial.code != "" {
		x.denied(coordinate, denial, errors, value, path)
		return
	}
	for _, e := range errors {
		if slices.Contains(notTheField, e.code()) {
			x.blame(coordinate, "%s may have it, and got %s %q at %s", x.describe(), e.code(), e.Message, path)
		}
	}
	if value == nil {
		if f.def.Type.NonNull {
			x.blame(coordinate, "%s is null, and can never be", path)
		}
		return
	}
	if becomes := x.fixture(x.asked, coordinate).Viewer; on == x.Schema.Mutation && becomes != nil && len(errors) == 0 {
		x.viewer = *becomes
	}
	x.complete(f, coordinate, value, path)
}

// denial is the error that a field is denied with; the zero value is none.
type denial struct{ code, key, value string }

func (x *examiner) verdict(rule policy.Rule, owner string) denial {
	switch {
	case rule.Public:
		return denial{}
	case x.viewer.Role == "":
		return denial{unauthenticated, "reason", x.viewer.Reason}
	case x.Policy.Includes(x.viewer.Role, rule.Role):
		return denial{}
	case rule.OrOwner && (x.viewer.ID == "" || x.viewer.ID == owner):
		return denial{}
	}
	return denial{forbidden, "requires", rule.Role}
}

func (x *examiner) denied(coordinate string, want denial, errors []answerError, value any, path string) {
	if value != nil {
		x.blame(coordinate, "%s may not have it, and got %.80v at %s", x.describe(), value, path)
	}
	if len(errors) != 1 {
		x.blame(coordinate, "%d errors at %s, want one, %s", len(errors), path, want.code)
	}
	for _, e := range errors {
		if e.code() != want.code || e.Extensions[want.key] != want.value {
			x.blame(coordinate, "%s at %s is denied with %s, %s %v; want %s, %s %s", x.describe(), path, e.code(),
				want.key, e.Extensions[want.key], want.code, want.key, want.value)
		}
	}
}

func (x *examiner) describe() string {
	if x.viewer.Role == "" {
		return "nobody (" + x.viewer.Reason + ")"
	}
	return x.viewer.Role
}

// complete goes down into lists and objects, and remembers what is shown.
func (x *examiner) complete(f selected, coordinate string, value any, path string) {
	switch value := value.(type) {
	case []any:
		for i, v := range value {
			if v != nil {
				x.complete(f, coordinate, v, fmt.Sprint(path, ".", i))
			}
		}
	case map[string]any:
		typeName, _ := value["__typename"].(string)
		on := x.Schema.Types[typeName]
		if on == nil || !slices.Contains(membersOf(x.Schema, x.Schema.Types[f.def.Type.Name()]), on) {
			x.blame(coordinate, "%s is a %q, want a %s", path, typeName, f.def.Type.Name())
			return
		}
		x.object(x.collect(f.below, on), on, value, path)
	case string:
		x.shown[value] = true
		x.secrets.learn(x.Schema, coordinate, f.def, value)
	}
}

// emptied: a root field that is never null was not answered for a reason of its own, which takes the whole data along.
func (x *examiner) emptied(fields []selected, root *ast.Definition) {
	excused := false
	for _, f := range fields {
		rule, _ := x.Policy.Rule(root.Name, f.name)
		errors := x.errors[f.key]
		switch want := x.verdict(rule, ""); {
		case f.def == nil:
			continue
		case want.code != "":
			delete(x.errors, f.key)
			x.denied(root.Name+"."+f.name, want, errors, nil, f.key)
		case len(errors) == 1 && f.def.Type.NonNull && !slices.Contains(notTheField, errors[0].code()):
			delete(x.errors, f.key)
			excused = true
		}
		x.visits = append(x.visits, visit{root.Name + "." + f.name, true, x.verdict(rule, "").code == "", false, x.below(f)})
	}
	if !excused {
		x.blame(root.Name, "there is no data at all")
	}
}

// credentials counts the root fields that take a password or a token. The server runs no operation with two.
func (x *examiner) credentials(set ast.SelectionSet) (n int) {
	if x.operation.Operation != ast.Mutation {
		return 0
	}
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if field := x.Schema.Mutation.Fields.ForName(s.Name); field != nil && field.Directives.ForName("credential") != nil {
				n++
			}
		case *ast.InlineFragment:
			n += x.credentials(s.SelectionSet)
		case *ast.FragmentSpread:
			n += x.credentials(x.document.Fragments.ForName(s.Name).SelectionSet)
		}
	}
	return n
}

func (x *examiner) refusedAsAWhole(root string) {
	if len(x.answer.errors) != 1 || x.answer.errors[0].code() != tooComplex || x.answer.data != nil {
		x.blame(root, "two fields of one operation take a password; want %s alone", tooComplex)
	}
	clear(x.errors)
}

// below are the fields that are selected beneath one, as coordinates: what is not to be told if it is denied.
func (x *examiner) below(f selected) (coordinates []string) {
	if f.def == nil {
		return nil
	}
	for _, on := range membersOf(x.Schema, x.Schema.Types[f.def.Type.Name()]) {
		for _, field := range x.collect(f.below, on) {
			if field.def != nil {
				coordinates = append(append(coordinates, on.Name+"."+field.name), x.below(field)...)
			}
		}
	}
	return coordinates
}

// leaks looks for what is denied anywhere in the answer: under another name, in an error's message or its extensions.
func (x *examiner) leaks() {
	for _, v := range x.visits {
		if v.allowed {
			continue
		}
		for _, coordinate := range append([]string{v.coordinate}, v.below...) {
			for _, secret := range x.secrets[coordinate] {
				if !x.shown[secret] && (strings.Contains(x.answer.body, secret) || strings.Contains(x.answer.body, quoted(secret))) {
					x.blame(coordinate, "%s may not have it, and the answer holds it: %s", x.describe(), secret)
				}
			}
		}
	}
}

// ran compares how often the resolvers of the gated fields ran with how often they may.
func (x *examiner) ran(before, after map[string]int) {
	may := map[string]int{}
	for _, v := range x.visits {
		may[v.coordinate] += 0
		if v.allowed {
			may[v.coordinate]++
		}
		for _, coordinate := range v.below {
			may[coordinate] += 0
		}
	}
	for coordinate, n := range may {
		if _, ruled := x.Policy.Rule(coordinateParts(coordinate)); ruled && after[coordinate]-before[coordinate] > n {
			x.blame(coordinate, "its resolver ran %d times, and may have %d times", after[coordinate]-before[coordinate], n)
		}
	}
}

func coordinateParts(coordinate string) (typeName, field string) {
	typeName, field, _ = strings.Cut(coordinate, ".")
	return typeName, field
}

// askedTheDatabase: to judge takes one statement, and none if nobody asks.
func (x *examiner) askedTheDatabase(statements uint64, token string) {
	allowed := slices.ContainsFunc(x.visits, func(v visit) bool { return v.root && v.allowed })
	most := uint64(1)
	if token == "" || len(x.visits) == 0 {
		most = 0
	}
	if !allowed && statements > most {
		coordinate := x.operation.Name
		if len(x.visits) > 0 {
			coordinate = x.visits[0].coordinate
		}
		x.blame(coordinate, "was denied and cost %d statements, and may cost %d", statements, most)
	}
}
