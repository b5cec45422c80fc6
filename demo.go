package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fieldgate/internal/account"
	"fieldgate/internal/policy"
	"fieldgate/models"
	"fieldgate/playground"
)

// demoPassword is known to everybody: it stands in the README and in the playground's page.
const demoPassword = "fieldgate demo, known to all"

// demoPeople are those of "serve --demo". The ADMIN comes first: their account is made first, and cannot be deleted
// so long as they are the only one, so a database that it is the oldest account of is the demo's.
var demoPeople = []playground.Person{
	{Name: "Margaret", Email: "margaret@fieldgate.example", Role: policy.Admin, Password: demoPassword},
	{Name: "Grace", Email: "grace@fieldgate.example", Role: "STAFF", Password: demoPassword},
	{Name: "Ada", Email: "ada@fieldgate.example", Role: policy.User, Password: demoPassword},
}

// checkDemo sees to it that the demo's people are in a demo's database, and in none of production.
func (a *app) checkDemo(ctx context.Context) error {
	switch {
	case a.demo:
		return a.startDemo(ctx)
	case a.Production:
		return a.refuseDemo(ctx)
	}
	return nil
}

// startDemo makes the demo's people, or gives them their roles back. It refuses a database that is somebody else's.
func (a *app) startDemo(ctx context.Context) error {
	page, err := a.accounts.Users(ctx, account.UserQuery{PageQuery: account.PageQuery{First: 1}})
	if err != nil {
		return err
	}
	if len(page.Users) > 0 && !isDemo(page.Users[0]) {
		return errors.New("--demo: the database has other people's accounts, and the demo's password is known to all. " +
			"Hint: DATABASE_URL=sqlite://demo.db")
	}
	for _, p := range demoPeople {
		_, err := a.accounts.SetRoleOf(ctx, p.Email, p.Role)
		if errors.Is(err, models.ErrNotFound) {
			_, err = a.accounts.CreateUser(ctx, account.Registration{Name: p.Name, Email: p.Email, Password: p.Password}, p.Role)
		}
		if err != nil {
			return fmt.Errorf("--demo: %s: %w", p.Email, err)
		}
		a.log.Info("one of the demo's people", "role", p.Role, "email", p.Email, "password", p.Password)
	}
	return nil
}

// refuseDemo returns an error if one of the demo's people has an account: anybody could sign in as them.
func (a *app) refuseDemo(ctx context.Context) error {
	for _, p := range demoPeople {
		page, err := a.accounts.Users(ctx, account.UserQuery{PageQuery: account.PageQuery{First: 1}, Search: p.Email})
		if err != nil {
			return err
		}
		if len(page.Users) > 0 {
			return fmt.Errorf("the database is one of --demo: %s has an account there, with a password that is known to all. "+
				"Hint: use another database", p.Email)
		}
	}
	return nil
}

func isDemo(u *models.User) bool {
	return slices.ContainsFunc(demoPeople, func(p playground.Person) bool { return p.Email == u.Email })
}
