package e2e

import (
	"testing"
	"time"

	"fieldgate/graph"
	"fieldgate/internal/dbtest"
	"fieldgate/policytest"
	"fieldgate/servertest"
)

// TestPolicyIsProven queries every gated field as every kind of caller, in every form and along
// every route, and compares the outcome with the schema's rules. New fields need no line here
// unless their arguments must have meaning.
func TestPolicyIsProven(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		policytest.Run(t, policyApp(boot(t, databaseURL, "LOG_LEVEL", "error"), boot(t, databaseURL, "LOG_LEVEL", "error")))
	})
}

// policyApp returns a server as policytest needs it. past shares its database and issues expired
// tokens.
func policyApp(b, past *testServer) policytest.App {
	past.Clock.Advance(-time.Hour)
	return policytest.App{
		URL: b.URL + "/graphql", Schema: graph.Schema(), Policy: b.internal.Policy, Statements: b.internal.Store.Queries, Quick: !dbtest.Exhaustive(),
		Enrol: b.newPolicyUser, Disable: b.disableUser, SetRole: b.setUserRole, Prove: b.Proof().Prove,
		Others: []policytest.Who{{Name: "a caller with an expired token", Make: func() policytest.Person {
			p := past.newPolicyUser("USER")
			p.Role, p.Reason = "", "expired"
			return p
		}}},
		Without: "app", // the features of a product prove their own fields
		Owners:  map[string]string{"User": "id"},
		Fixtures: map[string]func(policytest.Case) policytest.Fixture{
			"Mutation.register": func(policytest.Case) policytest.Fixture {
				return policytest.Fixture{Arguments: map[string]any{"input": registerInput()}, Viewer: &policytest.Person{Role: "USER"}}
			},
			"Mutation.login": func(c policytest.Case) policytest.Fixture {
				m := memberOf(c)
				return m.signInFixture("input", map[string]any{"email": m.Email, "password": m.Password})
			},
			"Mutation.refresh": func(c policytest.Case) policytest.Fixture {
				m := memberOf(c)
				f := m.signInFixture("refreshToken", m.refresh)
				f.Viewer.Proof = c.Asker.Proof // the session stays
				return f
			},
			"Mutation.changePassword": func(c policytest.Case) policytest.Fixture {
				return policytest.Fixture{Arguments: map[string]any{"input": map[string]any{
					"currentPassword": memberOf(c).Password, "newPassword": servertest.Password + "!",
				}}}
			},
			"Mutation.revokeSession": func(c policytest.Case) policytest.Fixture {
				return policytest.Fixture{Arguments: map[string]any{"id": memberOf(c).session}, Viewer: revokedViewer}
			},
			"Mutation.logoutEverywhere": func(policytest.Case) policytest.Fixture { return policytest.Fixture{Viewer: revokedViewer} },
		},
	}
}

// revokedViewer is the expected viewer after a field that signs out.
var revokedViewer = &policytest.Person{Reason: "revoked"}

// member is what the fixtures keep of a user.
type member struct {
	*device
	role string // the current role, which may differ from the token's
}

// memberOf returns the caller's member or, without a caller, that of the user whom the case is
// about.
func memberOf(c policytest.Case) *member {
	if m, ok := c.Asker.Data.(*member); ok {
		return m
	}
	return c.Subject.Data.(*member)
}

// signInFixture is a fixture for a field after which the rest of the operation runs as the member.
func (m *member) signInFixture(argument string, value any) policytest.Fixture {
	return policytest.Fixture{Arguments: map[string]any{argument: value}, Viewer: &policytest.Person{ID: m.ID, Role: m.role}}
}

// registerInput returns the input of a registration with a new address.
func registerInput() map[string]any {
	return map[string]any{
		"name": "Somebody", "email": servertest.NewAddress(), "password": servertest.Password, "delivery": "BODY",
	}
}

// newPolicyUser returns a user whose token has the current role.
func (b *testServer) newPolicyUser(role string) policytest.Person {
	b.t.Helper()
	m := &member{role: role}
	if role == "USER" {
		m.device = b.registerDevice()
	} else {
		m.device = b.newDevice(b.NewUser(role), false)
	}
	return policytest.Person{ID: m.ID, Role: role, Token: m.Token, Data: m}
}

// registerDevice registers a user and keeps both tokens.
func (b *testServer) registerDevice() *device {
	b.t.Helper()
	input := registerInput()
	got := b.Query(nil, `mutation($input: RegisterInput!) { register(input: $input) { accessToken refreshToken user { id } session { id } } }`,
		"input", input).Must()
	return &device{
		User: &servertest.User{
			ID: got.Text("register.user.id"), Email: input["email"].(string), Password: servertest.Password, Token: got.Text("register.accessToken"),
		},
		session: got.Text("register.session.id"), refresh: got.Text("register.refreshToken"),
	}
}

func (b *testServer) disableUser(p policytest.Person) {
	b.t.Helper()
	if _, err := b.internal.Accounts.AsOperator().Disable(b.t.Context(), p.ID); err != nil {
		b.t.Fatal(err)
	}
}

func (b *testServer) setUserRole(p policytest.Person, role string) {
	b.t.Helper()
	if _, err := b.internal.Accounts.AsOperator().SetRole(b.t.Context(), p.ID, role); err != nil {
		b.t.Fatal(err)
	}
	p.Data.(*member).role = role
}
