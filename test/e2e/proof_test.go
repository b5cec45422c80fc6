package e2e

import (
	"testing"
	"time"

	"fieldgate/graph"
	"fieldgate/internal/dbtest"
	"fieldgate/policytest"
	"fieldgate/servertest"
)

// Every gated field, as everybody who could ask, in every form and along every route: the answer is what the schema's rules
// say. Fields that are added to the schema are proven without a line here, unless they need arguments that mean something.
func TestPolicyIsProven(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		policytest.Run(t, policyApp(boot(t, databaseURL, "LOG_LEVEL", "error"), boot(t, databaseURL, "LOG_LEVEL", "error")))
	})
}

// policyApp is a server as the proof wants it. The other one, of the same database, makes tokens that have expired.
func policyApp(b, past *testServer) policytest.App {
	past.Clock.Advance(-time.Hour)
	return policytest.App{
		URL: b.URL + "/graphql", Schema: graph.Schema(), Policy: b.internal.Policy, Statements: b.internal.Store.Queries, Quick: !dbtest.Exhaustive(),
		Enrol: b.newPolicyUser, Disable: b.disableUser, SetRole: b.setUserRole,
		Others: []policytest.Who{{Name: "somebody whose token has expired", Make: func() policytest.Person {
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
				return m.signInFixture("refreshToken", m.refresh)
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

// revokedViewer asks the rest of an operation in which somebody signed out.
var revokedViewer = &policytest.Person{Reason: "revoked"}

// member is what the fixtures remember of a person.
type member struct {
	*device
	role string // what the account has now, whoever the token says it is
}

// memberOf is who asks, and if nobody does, the person whom it is about.
func memberOf(c policytest.Case) *member {
	if m, ok := c.Asker.Data.(*member); ok {
		return m
	}
	return c.Subject.Data.(*member)
}

// signIn is a field that makes the rest of the operation the member's.
func (m *member) signInFixture(argument string, value any) policytest.Fixture {
	return policytest.Fixture{Arguments: map[string]any{argument: value}, Viewer: &policytest.Person{ID: m.ID, Role: m.role}}
}

// registerDevice is somebody who has no account yet.
func registerInput() map[string]any {
	return map[string]any{
		"name": "Somebody", "email": servertest.NewAddress(), "password": servertest.Password, "delivery": "BODY",
	}
}

// newPolicyUser makes a person whose token says the role that they have.
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

// registerDevice registers somebody, and keeps all that they get.
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
