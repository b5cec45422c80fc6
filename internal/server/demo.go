package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fieldgate/internal/account"
	"fieldgate/internal/policy"
	"fieldgate/models"
	"fieldgate/playground"
)

// DemoPassword is known to everybody: it stands in the README and in the playground's page.
const DemoPassword = "fieldgate demo, known to all"

// DemoUsers are those of "serve --demo". The ADMIN comes first, so that the others' roles can be taken back: there is
// always another ADMIN then.
var DemoUsers = []playground.DemoUser{
	{Name: "Margaret", Email: "margaret@fieldgate.example", Role: policy.Admin, Password: DemoPassword},
	{Name: "Grace", Email: "grace@fieldgate.example", Role: "STAFF", Password: DemoPassword},
	{Name: "Ada", Email: "ada@fieldgate.example", Role: policy.User, Password: DemoPassword},
}

// checkDemo sees to it that the demo's people are in a demo's database, and in none of production.
func (s *Server) checkDemo(ctx context.Context) error {
	switch {
	case s.options.Demo:
		return s.StartDemo(ctx)
	case s.Config.Production:
		return s.RejectDemo(ctx)
	}
	return nil
}

// StartDemo makes the demo's people, or gives them back what visitors have changed. It refuses a database that is not a
// demo's.
func (s *Server) StartDemo(ctx context.Context) error {
	page, err := s.Accounts.Users(ctx, account.UserQuery{PageQuery: account.PageQuery{First: 1}})
	if err != nil {
		return err
	}
	if len(page.Users) > 0 {
		demo, err := s.isDemoDatabase(ctx, page.Users[0])
		if err != nil {
			return err
		}
		if !demo {
			return errors.New("--demo: the database has other people's accounts, and the demo's password is known to all. " +
				"Hint: DATABASE_URL=sqlite://demo.db")
		}
	}
	if err := s.Store.MarkDemo(ctx); err != nil {
		return err
	}
	for _, p := range DemoUsers {
		did, err := s.Accounts.ResetDemoUser(ctx, account.Registration{Name: p.Name, Email: p.Email, Password: p.Password}, p.Role)
		if err != nil {
			return fmt.Errorf("--demo: %s: %w", p.Email, err)
		}
		s.Log.Info("one of the demo's people", "role", p.Role, "email", p.Email, "password", p.Password, "reset", cmp.Or(strings.Join(did, ", "), "nothing"))
	}
	limits, err := s.Store.ResetLimits(ctx)
	if limits > 0 {
		s.Log.Info("reset the rate limits of the demo", "rows", limits)
	}
	return err
}

// RejectDemo returns an error if the database is a demo's: anybody could sign in as its people.
func (s *Server) RejectDemo(ctx context.Context) error {
	page, err := s.Accounts.Users(ctx, account.UserQuery{PageQuery: account.PageQuery{First: 1}})
	if err != nil || len(page.Users) == 0 {
		return err
	}
	demo, err := s.isDemoDatabase(ctx, page.Users[0])
	if err != nil || !demo {
		return err
	}
	return fmt.Errorf("the database is one of --demo, such as of %s, whose password is known to all. Hint: use another database", DemoUsers[0].Email)
}

// isDemoDatabase reports whether a database is a demo's: it is marked, or its oldest account is one of the demo's people, as in
// a database from before there was a mark. Only the server can make a verified account of them, since no mail reaches
// fieldgate.example.
func (s *Server) isDemoDatabase(ctx context.Context, oldest *models.User) (bool, error) {
	if oldest.EmailVerified() && slices.ContainsFunc(DemoUsers, func(p playground.DemoUser) bool { return p.Email == oldest.Email }) {
		return true, nil
	}
	return s.Store.IsDemo(ctx)
}
