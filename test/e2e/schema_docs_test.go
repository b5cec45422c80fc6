package e2e

import (
	"fmt"
	"strings"
	"testing"

	"fieldgate/graph"
	"fieldgate/internal/dbtest"
)

const typeFieldsQuery = `query($type: String!) { __type(name: $type) { fields { name description } specifiedByURL } }`

// fieldDescriptions returns the descriptions of a type's fields from introspection, by name.
func (b *testServer) fieldDescriptions(typeName string) map[string]string {
	b.t.Helper()
	got := b.Query(nil, typeFieldsQuery, "type", typeName).Must()
	descriptions := map[string]string{}
	for i := range got.At("__type.fields").([]any) {
		at := fmt.Sprintf("__type.fields.%d.", i)
		descriptions[got.Text(at+"name")] = stringOf(got.At(at + "description"))
	}
	return descriptions
}

// TestIntrospectionDescribesTheRuleOfEachField checks that the description of each field with a
// rule ends with that rule, and that other descriptions are unchanged.
func TestIntrospectionDescribesTheRuleOfEachField(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	for name, def := range graph.Schema().Types {
		if len(def.Fields) == 0 || !def.IsCompositeType() || def.BuiltIn {
			continue
		}
		descriptions := b.fieldDescriptions(name)
		for _, field := range def.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			want := field.Description
			if rule, ok := b.internal.Policy.Rule(name, field.Name); ok {
				want += "\n\n" + b.internal.Policy.Describe(rule)
			}
			if got := descriptions[field.Name]; got != want {
				t.Errorf("%s.%s: %q, want %q", name, field.Name, got, want)
			}
		}
	}
	for field, want := range map[string]string{"email": "Requires role STAFF or ownership.", "disabledAt": "Requires role STAFF."} {
		if got := b.fieldDescriptions("User")[field]; !strings.HasSuffix(got, "\n\n"+want) {
			t.Errorf("%s: %q", field, got)
		}
	}
}

// TestIntrospectionDescribesEnforcedRules checks that descriptions follow the rules of their own
// server, not of another one in the process.
func TestIntrospectionDescribesEnforcedRules(t *testing.T) {
	t.Parallel()
	custom := bootWithSchema(t, schemaReplacing(t, "disabledAt: Time @auth(role: STAFF)", "disabledAt: Time @auth(role: ADMIN)"), dbtest.SQLite(t))
	standard := boot(t, dbtest.SQLite(t))
	for _, row := range []struct {
		b    *testServer
		want string
	}{{custom, "Requires role ADMIN."}, {standard, "Requires role STAFF."}} {
		if got := row.b.fieldDescriptions("User")["disabledAt"]; !strings.HasSuffix(got, row.want) || strings.Count(got, "Requires") != 1 {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}

func TestIntrospectionSpecifiesTheTimeScalar(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	if got := b.Query(nil, typeFieldsQuery, "type", "Time").Must(); got.At("__type.specifiedByURL") != "https://www.rfc-editor.org/rfc/rfc3339#section-5.6" {
		t.Error(got.Body)
	}
}
