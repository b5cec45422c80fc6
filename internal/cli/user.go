package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"fieldgate/internal/account"
	"fieldgate/internal/policy"
	"fieldgate/internal/server"
	"fieldgate/models"
)

func (c Console) userCommands() *cli.Command {
	return &cli.Command{Name: "user", Usage: "manage accounts", Description: "   fieldgate user list --help", Commands: []*cli.Command{
		{
			Name: "create", Usage: "create an account", ArgsUsage: "EMAIL",
			Description: "It asks for the password, or reads it from standard input. The password is never an argument,\nbecause every user of the machine can see arguments.\nThe address counts as verified.\n\n" +
				"   fieldgate user create ada@example.com --name Ada --role ADMIN\n   fieldgate user create ada@example.com --name Ada < password.txt",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "name", Usage: "the name of the user", Required: true},
				&cli.StringFlag{Name: "role", Usage: "the role of the account", Value: policy.User},
				jsonFlag(),
			},
			Action: c.userCreate,
		},
		{
			Name: "list", Usage: "list accounts, oldest first",
			Description: "A search lists accounts whose name begins with the text first, sorted by name.\nAccounts of which only the e-mail address begins with it follow, sorted by address.\n\n" +
				"   fieldgate user list --search ada\n   fieldgate user list --role ADMIN --json | jq -r .email",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "search", Usage: "only accounts whose name or e-mail address begins with this text"},
				&cli.StringFlag{Name: "role", Usage: "only accounts with exactly this role"},
				jsonLinesFlag(),
			},
			Action: c.userList,
		},
		{
			Name: "role", Usage: "set the role of an account; it applies to the next request", ArgsUsage: "EMAIL ROLE",
			Description: "   fieldgate user role ada@example.com ADMIN", Flags: []cli.Flag{jsonFlag()}, Action: c.userRole,
		},
		{
			Name: "disable", Usage: "disable an account and revoke its sessions", ArgsUsage: "EMAIL",
			Description: "   fieldgate user disable ada@example.com", Flags: []cli.Flag{jsonFlag()}, Action: c.userDisable,
		},
		{
			Name: "enable", Usage: "enable an account again; its sessions stay revoked", ArgsUsage: "EMAIL",
			Description: "   fieldgate user enable ada@example.com", Flags: []cli.Flag{jsonFlag()}, Action: c.userEnable,
		},
		{
			Name: "delete", Usage: "delete an account and all its data permanently", ArgsUsage: "EMAIL",
			Description: "It asks for confirmation on a terminal; elsewhere it requires --yes.\nA running server sends a notice to the address.\n\n   fieldgate user delete ada@example.com\n   fieldgate user delete ada@example.com --yes",
			Flags:       []cli.Flag{&cli.BoolFlag{Name: "yes", Usage: "delete without asking for confirmation"}, jsonFlag()},
			Action:      c.userDelete,
		},
		{
			Name: "reset-factors", Usage: "remove the second factors of an account and revoke its sessions", ArgsUsage: "EMAIL",
			Description: "For a user who has lost the authenticator app and the recovery codes. The password is kept.\nA running server sends a notice to the address.\n\n   fieldgate user reset-factors ada@example.com",
			Flags:       []cli.Flag{jsonFlag()}, Action: c.userResetFactors,
		},
		{
			Name: "reset-password", Usage: "mail a password reset link to an account", ArgsUsage: "EMAIL",
			Description: "The mail is sent at once if the mail server answers, otherwise by a running server.\n\n   fieldgate user reset-password ada@example.com",
			Action:      c.userResetPassword,
		},
	}}
}

func (c Console) userCreate(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, "EMAIL")
	if err != nil {
		return err
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	if err := checkDefaultDatabase(s); err != nil {
		return err
	}
	return c.withNewDatabase(ctx, func(s *server.Services) error {
		password, err := c.readPassword()
		if err != nil {
			return err
		}
		user, err := s.Accounts.CreateUser(ctx, account.Registration{
			Name: cmd.String("name"), Email: args[0], Password: password,
		}, cmd.String("role"))
		if err != nil {
			return err
		}
		return c.printUser(cmd, user, "created %s (role %s): %s", printable(user.Email), user.Role, user.ID)
	})
}

// readPassword prompts for the password twice on a terminal. Otherwise it reads one line.
func (c Console) readPassword() (string, error) {
	if f, ok := c.terminal(); ok {
		return c.askPassword(int(f.Fd()))
	}
	line, err := bufio.NewReader(io.LimitReader(c.Stdin, 8<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

func (c Console) askPassword(fd int) (string, error) {
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(c.Stderr, prompt)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(c.Stderr)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the passwords differ; no account was created")
	}
	return typed[0], nil
}

// userList writes page by page, because there may be millions of accounts.
func (c Console) userList(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	write := writeUserRow
	if cmd.Bool("json") {
		write = writeUserJSON
	}
	return c.withDatabase(ctx, func(s *server.Services) error {
		var out bytes.Buffer
		if !cmd.Bool("json") {
			fmt.Fprintf(&out, userRowFormat, "ID", "CREATED", "DISABLED", "ROLE", "EMAIL", "NAME")
		}
		for q := (account.UserQuery{PageQuery: account.PageQuery{First: 100}, Search: cmd.String("search"), Role: cmd.String("role")}); ; {
			page, err := s.Accounts.Users(ctx, q)
			if err != nil {
				return err
			}
			for _, u := range page.Users {
				if err := write(&out, u); err != nil {
					return err
				}
			}
			if _, err := out.WriteTo(c.Stdout); err != nil || !page.HasNext {
				return err
			}
			q.After = page.End
		}
	})
}

func (c Console) userRole(ctx context.Context, cmd *cli.Command) error {
	setRole := func(s *server.Services, id string, args []string) (*models.User, error) {
		return s.Accounts.AsOperator().SetRole(ctx, id, args[1])
	}
	return c.updateUser(ctx, cmd, []string{"EMAIL", "ROLE"}, "%s now has the role %s", setRole)
}

func (c Console) userDisable(ctx context.Context, cmd *cli.Command) error {
	return c.updateUser(ctx, cmd, []string{"EMAIL"}, "disabled %s (role %s)", func(s *server.Services, id string, _ []string) (*models.User, error) {
		return s.Accounts.AsOperator().Disable(ctx, id)
	})
}

func (c Console) userEnable(ctx context.Context, cmd *cli.Command) error {
	return c.updateUser(ctx, cmd, []string{"EMAIL"}, "enabled %s (role %s)", func(s *server.Services, id string, _ []string) (*models.User, error) {
		return s.Accounts.AsOperator().Enable(ctx, id)
	})
}

func (c Console) userResetFactors(ctx context.Context, cmd *cli.Command) error {
	const done = "removed the second factors of %s (role %s) and revoked its sessions"
	reset := func(s *server.Services, id string, _ []string) (*models.User, error) {
		return s.Accounts.AsOperator().ResetFactors(ctx, id)
	}
	return c.updateUser(ctx, cmd, []string{"EMAIL"}, done, reset)
}

func (c Console) userDelete(ctx context.Context, cmd *cli.Command) error {
	terminal, interactive := c.terminal()
	if !cmd.Bool("yes") && !interactive {
		if _, err := arguments(cmd, "EMAIL"); err != nil {
			return err
		}
		return usagef("standard input is not a terminal, so nothing can be confirmed. Hint: --yes deletes the account without asking")
	}
	return c.updateUser(ctx, cmd, []string{"EMAIL"}, "deleted %s (role %s)", func(s *server.Services, id string, args []string) (*models.User, error) {
		if !cmd.Bool("yes") {
			if err := c.confirmDeletion(terminal, args[0]); err != nil {
				return nil, err
			}
		}
		return s.Accounts.AsOperator().Delete(ctx, id, nil)
	})
}

// confirmDeletion asks the operator to type the address again.
func (c Console) confirmDeletion(terminal io.Reader, email string) error {
	fmt.Fprintf(c.Stderr, "This permanently deletes %s and all its data.\nType the address again to confirm: ", printable(email))
	line, err := bufio.NewReader(io.LimitReader(terminal, 8<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the confirmation: %w", err)
	}
	if strings.TrimSpace(line) != email {
		return errors.New("the address was not confirmed; nothing was deleted")
	}
	return nil
}

// terminal returns standard input, and whether it is a terminal.
func (c Console) terminal() (f *os.File, ok bool) {
	f, ok = c.Stdin.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func (c Console) userResetPassword(ctx context.Context, cmd *cli.Command) error {
	args, err := arguments(cmd, "EMAIL")
	if err != nil {
		return err
	}
	return c.withDatabase(ctx, func(s *server.Services) error {
		if s.Mailer == nil {
			return errors.New("SMTP_URL: not set, so no mail can be sent. Hint: SMTP_URL=smtp://USER:PASSWORD@HOST:587")
		}
		link, err := s.Accounts.SendPasswordReset(ctx, args[0])
		if errors.Is(err, models.ErrNotFound) {
			return noAccountError{args[0]}
		}
		if err != nil {
			return err
		}
		to := printable(link.Email)
		if s.Inbox != nil { // this inbox ends with the command: the server has its own
			_, err = fmt.Fprintf(c.Stdout, "without SMTP_URL no mail is sent; a running server shows the link for %s at %s\n", to, s.Config.PublicURL.String()+server.InboxPath)
			return err
		}
		sent, err := s.Mailer.Send(ctx, link)
		switch {
		case err != nil:
			_, err = fmt.Fprintf(c.Stdout, "the link for %s was not mailed yet; a running server will try again: %v\n", to, err)
		case sent:
			_, err = fmt.Fprintf(c.Stdout, "mailed a link to %s\n", to)
		default:
			_, err = fmt.Fprintf(c.Stdout, "the link for %s was not mailed yet: a server may be sending it, or the log has the reason\n", to)
		}
		return err
	})
}

// updateUser applies f to the account whose address is the first argument and prints the result
// with done, a format for the address and the role.
func (c Console) updateUser(
	ctx context.Context, cmd *cli.Command, names []string, done string,
	f func(s *server.Services, id string, args []string) (*models.User, error),
) error {
	args, err := arguments(cmd, names...)
	if err != nil {
		return err
	}
	return c.withDatabase(ctx, func(s *server.Services) error {
		user, err := s.Accounts.UserByEmail(ctx, args[0])
		if err == nil {
			user, err = f(s, user.ID, args)
		}
		if errors.Is(err, models.ErrNotFound) {
			return noAccountError{args[0]}
		}
		if err != nil {
			return err
		}
		return c.printUser(cmd, user, done, printable(user.Email), user.Role)
	})
}

// noAccountError is models.ErrNotFound for an address that the operator has typed.
type noAccountError struct{ email string }

func (e noAccountError) Error() string {
	return fmt.Sprintf("no account has the address %q. Hint: run fieldgate user list", e.email)
}

func (noAccountError) Unwrap() error { return models.ErrNotFound }

// printUser prints an account as a sentence or as JSON.
func (c Console) printUser(cmd *cli.Command, u *models.User, format string, args ...any) error {
	if cmd.Bool("json") {
		return writeUserJSON(c.Stdout, u)
	}
	_, err := fmt.Fprintf(c.Stdout, format+"\n", args...)
	return err
}

// userRowFormat has the columns of variable length at its end, so that the columns align although
// the rows are printed as they are read.
const userRowFormat = "%-36s  %-20s  %-20s  %-5s  %-32s  %s\n"

func writeUserRow(w io.Writer, u *models.User) error {
	disabled := "-"
	if u.DisabledAt != nil {
		disabled = u.DisabledAt.UTC().Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(w, userRowFormat, u.ID, u.CreatedAt.UTC().Format(time.RFC3339), disabled, u.Role, printable(u.Email), printable(u.Name))
	return err
}

// writeUserJSON writes an account with the field names of the schema.
func writeUserJSON(w io.Writer, u *models.User) error {
	v := struct {
		ID            string     `json:"id"`
		Name          string     `json:"name"`
		CreatedAt     time.Time  `json:"createdAt"`
		Email         string     `json:"email"`
		EmailVerified bool       `json:"emailVerified"`
		Role          string     `json:"role"`
		DisabledAt    *time.Time `json:"disabledAt"`
	}{u.ID, u.Name, u.CreatedAt.UTC(), u.Email, u.EmailVerified(), u.Role, u.DisabledAt}
	if u.DisabledAt != nil {
		v.DisabledAt = new(u.DisabledAt.UTC())
	}
	return writeJSON(w, v)
}
