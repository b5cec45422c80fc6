package servertest

import (
	"fieldgate/graph"
	"fieldgate/models"
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
		Prove:  s.prove,
		Owners: map[string]string{"User": "id"}, Fixtures: map[string]func(policytest.Case) policytest.Fixture{},
	}
}

// prove writes what sign-ins with second factors would have written, to all sessions of a user. The
// factor accepts no code.
func (s *Server) prove(p policytest.Person, proof policytest.SessionProof) {
	s.t.Helper()
	if err := s.setProof(p.ID, proof); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) setProof(userID string, proof policytest.SessionProof) error {
	ctx, store := s.t.Context(), s.internal.Store
	now := store.Now()
	if proof.Enrolled {
		err := store.SaveFactor(ctx, &models.Factor{
			ID: models.NewID(), UserID: userID, Kind: models.FactorTOTP, Secret: []byte("not a secret"), CreatedAt: now,
		})
		if err != nil {
			return err
		}
	}
	user, err := store.UserByID(ctx, userID)
	if err != nil {
		return err
	}
	sessions, err := store.Sessions(ctx, user, models.SessionPage{Limit: 10}, now)
	for _, session := range sessions {
		session.ProvedAt = new(now.Add(-proof.Age))
		if err := store.ProveSession(ctx, session, false, "pwd", *session.ProvedAt); err != nil {
			return err
		}
		if !proof.Second {
			continue
		}
		if err := store.ProveSession(ctx, session, true, "pwd,otp", now.Add(-proof.SecondAge)); err != nil {
			return err
		}
	}
	return err
}
