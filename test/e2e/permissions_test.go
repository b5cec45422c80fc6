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

// TestPermissionsMatchEnforcement checks that permissions tells the truth: it queries each root
// field in each role and compares the outcome.
func TestPermissionsMatchEnforcement(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		b.NewUser("ADMIN") // an ADMIN must remain
		for _, role := range []string{"USER", "STAFF", "ADMIN"} {
			t.Run(role, func(t *testing.T) {
				p := b.NewUser(role)
				before := b.internal.Store.Queries()
				list := b.permissionsOf(p)
				if n := b.internal.Store.Queries() - before; n != 2 {
					t.Errorf("permissions took %d queries, want 2: the session, and its second factors", n)
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
						t.Errorf("%s requires %v, want role %q, public %t", got.Field, got.Role, rule.Role, rule.Public)
					}
					query := rootFieldQuery(typeName, name)
					if name == "deleteAccount" { // without the password, a recent sign-in is enough
						query = `mutation { deleteAccount(password: "wrong") }`
					}
					answer := b.Query(p, query)
					forbidden := strings.Join(answer.Codes(), " ") == name+" FORBIDDEN"
					if forbidden == got.Allowed {
						t.Errorf("permissions says that %s is allowed: %v, but the response is %s", got.Field, got.Allowed, answer.Body)
					}
					p.Token = b.newDevice(p, false).Token // some fields sign out
				}
				if want := rootFields(); strings.Join(fields, " ") != want {
					t.Errorf("got %s\nwant %s", strings.Join(fields, " "), want)
				}
			})
		}
		wantCodes(t, b.Query(nil, `{ permissions { field } }`), "permissions UNAUTHENTICATED")
	})
}

// TestPermissionsFollowTheRole checks that a changed role counts at the next request.
func TestPermissionsFollowTheRole(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	allowedForStaff := func() (list []string) {
		for _, got := range b.permissionsOf(p) {
			if got.Allowed && got.Role != nil && *got.Role == "STAFF" {
				list = append(list, got.Field)
			}
		}
		return list
	}
	if got := allowedForStaff(); len(got) != 0 {
		t.Errorf("USER is allowed %q, want none", got)
	}
	if _, err := b.internal.Accounts.AsOperator().SetRoleByEmail(t.Context(), p.Email, "STAFF"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(allowedForStaff(), " "); !strings.Contains(got, "Query.users") {
		t.Errorf("STAFF is allowed %q, want Query.users among them", got)
	}
}

// TestPermissionsCoverGatedFieldsOfTypes checks that, for a field of a type, allowed is about the
// objects of others, and the condition OWNER about the caller's own.
func TestPermissionsCoverGatedFieldsOfTypes(t *testing.T) {
	t.Parallel()
	b := bootWithSchema(t, schemaReplacing(t, "user(\n    \"The account's id. An unknown id is NOT_FOUND.\"\n    id: ID!\n  ): User @auth(role: STAFF)",
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
					t.Errorf("%s has the conditions %q, want null", got.Field, got.Conditions)
				}
				continue
			}
			seen[got.Field] = true
			if text := fmt.Sprint(*got.Role, " ", got.Conditions); text != want[got.Field] || (got.Conditions == nil) != strings.HasSuffix(text, "[]") {
				t.Errorf("%s: got %s, want %s", got.Field, text, want[got.Field])
			}
			canRead := func(of *servertest.User) bool {
				return len(b.Query(p, `query($id: ID!) { user(id: $id) { `+name+` } }`, "id", of.ID).Errors) == 0
			}
			if canRead(other) != got.Allowed || canRead(p) != (got.Allowed || slices.Contains(got.Conditions, "OWNER")) {
				t.Errorf("%s as %s: permissions says %t %q, which is not enforced", got.Field, role, got.Allowed, got.Conditions)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("got the fields %v, want %v", seen, want)
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

// rootFields returns the coordinates of the root fields in the order of the schema, without
// introspection.
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

// rootFieldQuery returns a document for one root field. Its arguments have the right types and no
// meaning.
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
		{"an unknown format", `"xml" is not valid: expected table, markdown or json`, []string{"policy", "--format", "xml"}},
		{"a missing folder", "nowhere", []string{"policy", "--out", filepath.Join(t.TempDir(), "nowhere", "P.md")}},
	} {
		if status, stdout, stderr := servertest.RunCLI(t, nil, "", row.args...); status != 1 || stdout != "" || !strings.Contains(stderr, row.stderr) {
			t.Errorf("%s: %d %q %q", row.name, status, stdout, stderr)
		}
	}
}
