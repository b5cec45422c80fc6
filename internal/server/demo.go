package main

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

// demoPassword is known to everybody: it stands in the README and in the playground's page.
const demoPassword = "fieldgate demo, known to all"

// demoPeople are those of "serve --demo". The ADMIN comes first, so that the others' roles can be taken back: there is
// always another ADMIN then.
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

// startDemo makes the demo's people, or gives them back what visitors have changed. It refuses a database that is not a
// demo's.
func (a *app) startDemo(ctx context.Context) error {
	page, err := a.accounts.Users(ctx, account.UserQuery{PageQuery: account.PageQuery{First: 1}})
	if err != nil {
		return err
	}
	if len(page.Users) > 0 {
		demo, err := a.isDemo(ctx, page.Users[0])
		if err != nil {
			return err
		}
		if !demo {
			return errors.New("--demo: the database has other people's accounts, and the demo's password is known to all. " +
				"Hint: DATABASE_URL=sqlite://demo.db")
		}
	}
	if err := a.store.MarkDemo(ctx); err != nil {
		return err
	}
	for _, p := range demoPeople {
		did, err := a.accounts.Reset(ctx, account.Registration{Name: p.Name, Email: p.Email, Password: p.Password}, p.Role)
		if err != nil {
			return fmt.Errorf("--demo: %s: %w", p.Email, err)
		}
		a.log.Info("one of the demo's people", "role", p.Role, "email", p.Email, "password", p.Password, "reset", cmp.Or(strings.Join(did, ", "), "nothing"))
	}
	limits, err := a.store.ForgetLimits(ctx)
	if limits > 0 {
		a.log.Info("reset the rate limits of the demo", "rows", limits)
	}
	return err
}

// refuseDemo returns an error if the database is a demo's: anybody could sign in as its people.
func (a *app) refuseDemo(ctx context.Context) error {
	page, err := a.accounts.Users(ctx, account.UserQuery{PageQuery: account.PageQuery{First: 1}})
	if err != nil || len(page.Users) == 0 {
		return err
	}
	demo, err := a.isDemo(ctx, page.Users[0])
	if err != nil || !demo {
		return err
	}
	return fmt.Errorf("the database is one of --demo, such as of %s, whose password is known to all. Hint: use another database", demoPeople[0].Email)
}

// isDemo reports whether a database is a demo's: it is marked, or its oldest account is one of the demo's people, as in
// a database from before there was a mark. Only the server can make a verified account of them, since no mail reaches
// fieldgate.example.
func (a *app) isDemo(ctx context.Context, oldest *models.User) (bool, error) {
	if oldest.EmailVerified() && slices.ContainsFunc(demoPeople, func(p playground.Person) bool { return p.Email == oldest.Email }) {
		return true, nil
	}
	return a.store.IsDemo(ctx)
}
