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

// DemoPassword is public: the README and the playground's page show it.
const DemoPassword = "fieldgate demo, known to all"

// DemoUsers are the accounts of "serve --demo". The ADMIN comes first, so that there is always
// another ADMIN when the roles of the others are reset.
var DemoUsers = []playground.DemoUser{
	{Name: "Margaret", Email: "margaret@fieldgate.example", Role: policy.Admin, Password: DemoPassword},
	{Name: "Grace", Email: "grace@fieldgate.example", Role: "STAFF", Password: DemoPassword},
	{Name: "Ada", Email: "ada@fieldgate.example", Role: policy.User, Password: DemoPassword},
}

// checkDemo keeps demo accounts in a demo database, and out of production.
func (s *Server) checkDemo(ctx context.Context) error {
	switch {
	case s.options.Demo:
		return s.StartDemo(ctx)
	case s.Config.Production:
		return s.RejectDemo(ctx)
	}
	return nil
}

// StartDemo creates the demo accounts, or resets what visitors have changed. It refuses a database
// that is not a demo database.
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
			return errors.New("--demo: the database has accounts of other users, and the demo password is public. " +
				"Hint: DATABASE_URL=sqlite://demo.db")
		}
	}
	if err := s.Store.MarkDemo(ctx); err != nil {
		return err
	}
	for _, u := range DemoUsers {
		changed, err := s.Accounts.ResetDemoUser(ctx, account.Registration{Name: u.Name, Email: u.Email, Password: u.Password}, u.Role)
		if err != nil {
			return fmt.Errorf("--demo: %s: %w", u.Email, err)
		}
		s.Log.Info("demo account", "role", u.Role, "email", u.Email, "password", u.Password, "reset", cmp.Or(strings.Join(changed, ", "), "nothing"))
	}
	limits, err := s.Store.ResetLimits(ctx)
	if limits > 0 {
		s.Log.Info("demo rate limits reset", "rows", limits)
	}
	return err
}

// RejectDemo returns an error if the database is a demo database: its accounts have a public
// password.
func (s *Server) RejectDemo(ctx context.Context) error {
	page, err := s.Accounts.Users(ctx, account.UserQuery{PageQuery: account.PageQuery{First: 1}})
	if err != nil || len(page.Users) == 0 {
		return err
	}
	demo, err := s.isDemoDatabase(ctx, page.Users[0])
	if err != nil || !demo {
		return err
	}
	return fmt.Errorf(
		"the database was created by --demo, and accounts such as %s have a public password. Hint: use another database",
		DemoUsers[0].Email,
	)
}

// isDemoDatabase reports whether a database was created by --demo. It is marked, or its oldest
// account is a verified demo account: databases of older versions have no mark. Only StartDemo can
// verify such an account, because no mail reaches fieldgate.example.
func (s *Server) isDemoDatabase(ctx context.Context, oldest *models.User) (bool, error) {
	if oldest.EmailVerified() && slices.ContainsFunc(DemoUsers, func(u playground.DemoUser) bool { return u.Email == oldest.Email }) {
		return true, nil
	}
	return s.Store.IsDemo(ctx)
}
