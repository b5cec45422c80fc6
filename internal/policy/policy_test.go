package policy_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/policy"
)

// declarations has its own file, so that a test's schema starts at line 1.
const declarations = `directive @auth(role: Role! = USER, orOwner: Boolean! = false, reportOnly: Boolean! = false) repeatable on FIELD_DEFINITION
directive @public on FIELD_DEFINITION
directive @includes(roles: [Role!]!) on ENUM_VALUE
enum Role {
  USER
  STAFF @includes(roles: [USER])
  ADMIN @includes(roles: [STAFF])
}
`

func load(t *testing.T, declarations, schema string) *ast.Schema {
	t.Helper()
	loaded, err := gqlparser.LoadSchema(
		&ast.Source{Name: "../../rules.graphqls", Input: declarations},
		&ast.Source{Name: "../../schema.graphqls", Input: schema},
	)
	if err != nil {
		t.Fatalf("gqlparser rejects the schema of the test: %v", err)
	}
	return loaded
}

func compile(t *testing.T, declarations, schema string) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(load(t, declarations, schema))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ruleErrors splits the joined error.
func ruleErrors(t *testing.T, err error) []*policy.RuleError {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is not a joined error: %v", err, err)
	}
	var found []*policy.RuleError
	for _, err := range joined.Unwrap() {
		var v *policy.RuleError
		if !errors.As(err, &v) {
			t.Fatalf("%T is not a RuleError: %v", err, err)
		}
		found = append(found, v)
	}
	return found
}

const shop = `type Order {
  id: ID!
  total: Int @auth(role: STAFF)
  address: String @auth(role: STAFF, orOwner: true)
}
type Mutation {
  buy(item: ID!): Order @auth
  close(order: ID!): Order @auth(role: ADMIN, orOwner: false)
}
type Query {
  items: [ID!]! @public
}
`

func TestRulesListRootFieldsFirst(t *testing.T) {
	want := []policy.Rule{
		{Type: "Query", Field: "items", Root: true, Public: true, Written: "@public", Line: 11},
		{Type: "Mutation", Field: "buy", Root: true, Role: "USER", Written: "@auth", Line: 7},
		{Type: "Mutation", Field: "close", Root: true, Role: "ADMIN", Written: "@auth(role: ADMIN, orOwner: false)", Line: 8},
		{Type: "Order", Field: "total", Role: "STAFF", Written: "@auth(role: STAFF)", Line: 3},
		{Type: "Order", Field: "address", Role: "STAFF", OrOwner: true, Written: "@auth(role: STAFF, orOwner: true)", Line: 4},
	}
	if got := compile(t, declarations, shop).Rules(); !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestRulesAndRolesReturnCopies(t *testing.T) {
	p := compile(t, declarations, shop)
	p.Rules()[0].Public = false
	p.Roles()[0] = "NOBODY"
	if !p.Rules()[0].Public || p.Roles()[0] != policy.User {
		t.Error("the caller changed the policy")
	}
}

func TestRule(t *testing.T) {
	p := compile(t, declarations, shop)
	for _, test := range []struct {
		name, typeName, field string
		wantWritten           string // "" if there is no rule
	}{
		{"a gated field has its rule", "Order", "total", "@auth(role: STAFF)"},
		{"a public field has its rule", "Query", "items", "@public"},
		{"an open field has none", "Order", "id", ""},
		{"a field of another type has its own", "Query", "total", ""},
		{"an unknown field has none", "Order", "nothing", ""},
		{"introspection has none", "Query", "__schema", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			rule, ok := p.Rule(test.typeName, test.field)
			if rule.Written != test.wantWritten || ok != (test.wantWritten != "") {
				t.Errorf("got %q, %v", rule.Written, ok)
			}
			if ok && rule.Coordinate() != test.typeName+"."+test.field {
				t.Errorf("got coordinate %s", rule.Coordinate())
			}
		})
	}
}

func TestDefaultsComeFromTheDeclaration(t *testing.T) {
	p := compile(t, mustReplace(declarations, "role: Role! = USER, orOwner: Boolean! = false", "role: Role! = STAFF, orOwner: Boolean! = true"), `
		type Query { me: User @auth(orOwner: false) }
		type User { email: String @auth  phone: String @auth(role: ADMIN) }`)
	for _, want := range []policy.Rule{
		{Type: "Query", Field: "me", Role: "STAFF"},
		{Type: "User", Field: "email", Role: "STAFF", OrOwner: true},
		{Type: "User", Field: "phone", Role: "ADMIN", OrOwner: true},
	} {
		if got, _ := p.Rule(want.Type, want.Field); got.Role != want.Role || got.OrOwner != want.OrOwner {
			t.Errorf("%s: got role %s, orOwner %v", want.Coordinate(), got.Role, got.OrOwner)
		}
	}
}

func TestRootTypesMayHaveAnyName(t *testing.T) {
	p := compile(t, declarations, `
		schema { query: Read  mutation: Write }
		type Query { open: Int }
		type Write { buy: Int @auth }
		type Read { items: Int @public }`)
	var got []string
	for _, rule := range p.Rules() {
		if !rule.Root {
			t.Errorf("%s is not a root field", rule.Coordinate())
		}
		got = append(got, rule.Coordinate())
	}
	if want := []string{"Read.items", "Write.buy"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSharedRootTypeIsReadOnce(t *testing.T) {
	p := compile(t, declarations, `schema { query: All  mutation: All } type All { hello: String @public }`)
	if got := p.Rules(); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestTypeExtensionsAreRead(t *testing.T) {
	p := compile(t, declarations, `
		type Query { me: User @auth }
		extend type Query { hello: String @public }
		type User { id: ID! }
		extend type User { email: String @auth(role: STAFF) }`)
	for _, coordinate := range []string{"Query.hello", "User.email"} {
		typeName, field, _ := strings.Cut(coordinate, ".")
		if _, ok := p.Rule(typeName, field); !ok {
			t.Errorf("%s has no rule", coordinate)
		}
	}
}

// The one schema that must never be out of order.
func TestServerSchemaCompiles(t *testing.T) {
	text, err := os.ReadFile("../../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.Compile(schema); err != nil {
		t.Error(err)
	}
}

// mustReplace is strings.Replace for a text that must be there, once at least.
func mustReplace(text, from, to string) string {
	if !strings.Contains(text, from) {
		panic("nothing to change: " + from)
	}
	return strings.ReplaceAll(text, from, to)
}
