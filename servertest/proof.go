package servertest

import (
	"fieldgate/graph"
	"fieldgate/policytest"
)

// Proof returns the server as package policytest takes it. The Data of each Person is a *User. A
// feature adds what policytest cannot know about its fields:
//
//	app := s.Proof()
//	app.Within = "app/notes"
//	app.Owners["Note"] = "author.id"
//	policytest.Run(t, app)
func (s *Server) Proof() policytest.App {
	return policytest.App{
		URL: s.URL + "/graphql", Schema: graph.Schema(), Policy: s.internal.Policy, Statements: s.internal.Store.Queries,
		Quick: !Exhaustive(),
		Enrol: func(role string) policytest.Person {
			s.t.Helper()
			u := s.NewUser(role)
			if role != "USER" {
				u = s.Login(u) // for a token that has the role
			}
			return policytest.Person{ID: u.ID, Role: role, Token: u.Token, Data: u}
		},
		Disable: func(p policytest.Person) {
			s.t.Helper()
			if _, err := s.internal.Accounts.AsOperator().Disable(s.t.Context(), p.ID); err != nil {
				s.t.Fatal(err)
			}
		},
		SetRole: func(p policytest.Person, role string) {
			s.t.Helper()
			s.SetRole(p.Data.(*User), role)
		},
		Owners: map[string]string{"User": "id"}, Fixtures: map[string]func(policytest.Case) policytest.Fixture{},
	}
}
