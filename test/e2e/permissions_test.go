package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/graph"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/policy"
	"fieldgate/servertest"
)

// What permissions says is what happens: each root field is asked for by everybody, and denied to whom it said so.
func TestPermissionsMatchEnforcement(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.NewUser("ADMIN") // who stays one
		for _, role := range []string{"USER", "STAFF", "ADMIN"} {
			t.Run(role, func(t *testing.T) {
				p := b.NewUser(role)
				before := b.internal.Store.Queries()
				list := b.permissionsOf(p)
				if n := b.internal.Store.Queries() - before; n != 1 {
					t.Errorf("%d queries", n)
				}
				var fields []string
				for _, got := range list {
					typeName, name, _ := strings.Cut(got.Field, ".")
					rule, _ := b.internal.Policy.Rule(typeName, name)
					if !rule.Root {
						continue // TestPermissionsCoverGatedFieldsOfTypes
					}
					fields = append(fields, got.Field)
					if (got.Role == nil) != rule.Public || got.Role != nil && *got.Role != rule.Role {
						t.Errorf("%s asks for %v", got.Field, got.Role)
					}
					answer := b.Query(p, rootFieldQuery(typeName, name))
					forbidden := strings.Join(answer.Codes(), " ") == name+" FORBIDDEN"
					if forbidden == got.Allowed {
						t.Errorf("%s is said to be allowed: %v, but %s", got.Field, got.Allowed, answer.Body)
					}
					p.Token = b.newDevice(p, false).Token // some of them sign out
				}
				if want := rootFields(); strings.Join(fields, " ") != want {
					t.Errorf("got %s\nwant %s", strings.Join(fields, " "), want)
				}
			})
		}
		wantCodes(t, b.Query(nil, `{ permissions { field } }`), "permissions UNAUTHENTICATED")
	})
}

// A role that is given or taken counts on the next request.
func TestPermissionsFollowTheRole(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	may := func() (list []string) {
		for _, got := range b.permissionsOf(p) {
			if got.Allowed && got.Role != nil && *got.Role == "STAFF" {
				list = append(list, got.Field)
			}
		}
		return list
	}
	if got := may(); len(got) != 0 {
		t.Errorf("a USER may %q", got)
	}
	if _, err := b.internal.Accounts.AsOperator().SetRoleByEmail(t.Context(), p.Email, "STAFF"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(may(), " "); !strings.Contains(got, "Query.users") {
		t.Errorf("a STAFF may %q", got)
	}
}

// For a type's field, allowed says what happens on objects of others, and OWNER what happens on the caller's own.
func TestPermissionsCoverGatedFieldsOfTypes(t *testing.T) {
	t.Parallel()
	b := bootWithSchema(t, schemaReplacing(t, "user(\n    \"Its id. An id that nobody has is NOT_FOUND.\"\n    id: ID!\n  ): User @auth(role: STAFF)",
		"user(\n    id: ID!\n  ): User @auth"), dbtest.SQLite(t))
	other := b.NewUser("USER")
	want := map[string]string{
		"User.email": "STAFF [OWNER]", "User.emailVerified": "STAFF [OWNER]", "User.role": "STAFF [OWNER]", "User.disabledAt": "STAFF []",
	}
	for _, role := range []string{"USER", "STAFF", "ADMIN"} {
		p := b.NewUser(role)
		seen := map[string]bool{}
		for _, got := range b.permissionsOf(p) {
			typeName, name, _ := strings.Cut(got.Field, ".")
			if rule, _ := b.internal.Policy.Rule(typeName, name); rule.Root {
				if got.Conditions != nil {
					t.Errorf("%s has the conditions %q", got.Field, got.Conditions)
				}
				continue
			}
			seen[got.Field] = true
			if said := fmt.Sprint(*got.Role, " ", got.Conditions); said != want[got.Field] || (got.Conditions == nil) != strings.HasSuffix(said, "[]") {
				t.Errorf("%s: %s, want %s", got.Field, said, want[got.Field])
			}
			may := func(of *servertest.User) bool {
				return len(b.Query(p, `query($id: ID!) { user(id: $id) { `+name+` } }`, "id", of.ID).Errors) == 0
			}
			if may(other) != got.Allowed || may(p) != (got.Allowed || slices.Contains(got.Conditions, "OWNER")) {
				t.Errorf("%s as %s is said to be %t %q", got.Field, role, got.Allowed, got.Conditions)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%v, want %v", seen, want)
		}
	}
}

type permission struct {
	Field      string
	Allowed    bool
	Role       *string
	Conditions []string
}

func (b *testServer) permissionsOf(p *servertest.User) (list []permission) {
	b.t.Helper()
	data, err := json.Marshal(b.Query(p, `{ permissions { field allowed role conditions } }`).Must().At("permissions"))
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// rootFields are those of the schema, as it names them and in its order, without introspection's.
func rootFields() string {
	var names []string
	for _, def := range []*ast.Definition{graph.Schema().Query, graph.Schema().Mutation} {
		for _, field := range def.Fields {
			if !strings.HasPrefix(field.Name, "__") {
				names = append(names, def.Name+"."+field.Name)
			}
		}
	}
	return strings.Join(names, " ")
}

// rootFieldQuery asks for one root field, with values that are of the right type and of no use.
func rootFieldQuery(typeName, name string) string {
	schema := graph.Schema()
	field := schema.Types[typeName].Fields.ForName(name)
	text := strings.ToLower(typeName) + " { " + name
	var args []string
	for _, arg := range field.Arguments {
		if arg.Type.NonNull && arg.DefaultValue == nil {
			args = append(args, arg.Name+": "+placeholderValue(schema, arg.Type))
		}
	}
	if len(args) > 0 {
		text += "(" + strings.Join(args, ", ") + ")"
	}
	if def := schema.Types[field.Type.Name()]; def.IsCompositeType() {
		text += " { __typename }"
	}
	return text + " }"
}

func placeholderValue(schema *ast.Schema, of *ast.Type) string {
	switch def := schema.Types[of.Name()]; {
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.Kind == ast.InputObject:
		var fields []string
		for _, field := range def.Fields {
			if field.Type.NonNull && field.DefaultValue == nil {
				fields = append(fields, field.Name+": "+placeholderValue(schema, field.Type))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	default:
		return `"x"`
	}
}

func TestPolicyCommandPrintsEachFormat(t *testing.T) {
	t.Parallel()
	status, table, stderr := servertest.RunCLI(t, nil, "", "policy")
	if status != 0 || !strings.Contains(table, "Mutation.setUserRole  ") || !strings.Contains(table, "5 per 15m by ACCOUNT_AND_ADDRESS") {
		t.Errorf("%d\n%s%s", status, table, stderr)
	}
	_, text, _ := servertest.RunCLI(t, nil, "", "policy", "--format", "json")
	var document policy.Document
	if err := json.Unmarshal([]byte(text), &document); err != nil || len(document.Fields) == 0 || len(document.Roles) != 3 {
		t.Errorf("%v in %s", err, text)
	}
	_, markdown, _ := servertest.RunCLI(t, nil, "", "policy", "--format=markdown")
	file := filepath.Join(t.TempDir(), "P.md")
	status, stdout, stderr := servertest.RunCLI(t, nil, "", "policy", "--format", "markdown", "--out", file)
	written, err := os.ReadFile(file)
	if status != 0 || stdout != "" || err != nil || string(written) != markdown || !strings.HasPrefix(markdown, "# Permissions\n") {
		t.Errorf("%d %q %q, %v\n%s", status, stdout, stderr, err, written)
	}
	for _, row := range []struct {
		name, stderr string
		args         []string
	}{
		{"a format that there is not", `"xml" is none of table, markdown and json`, []string{"policy", "--format", "xml"}},
		{"a folder that there is not", "nowhere", []string{"policy", "--out", filepath.Join(t.TempDir(), "nowhere", "P.md")}},
	} {
		if status, stdout, stderr := servertest.RunCLI(t, nil, "", row.args...); status != 1 || stdout != "" || !strings.Contains(stderr, row.stderr) {
			t.Errorf("%s: %d %q %q", row.name, status, stdout, stderr)
		}
	}
}
