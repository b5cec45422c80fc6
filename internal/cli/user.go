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
	return &cli.Command{Name: "user", Usage: "look after accounts", Description: "   fieldgate user list --help", Commands: []*cli.Command{
		{
			Name: "create", Usage: "make an account", ArgsUsage: "EMAIL",
			Description: "The password is asked for, or read from standard input; it is never an argument,\nbecause arguments can be seen by every user of the machine.\nThe address counts as verified: you vouch for it.\n\n" +
				"   fieldgate user create ada@example.com --name Ada --role ADMIN\n   fieldgate user create ada@example.com --name Ada < password.txt",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "name", Usage: "what the person wants to be called", Required: true},
				&cli.StringFlag{Name: "role", Usage: "what the person may do", Value: policy.User},
				jsonFlag(),
			},
			Action: c.userCreate,
		},
		{
			Name: "list", Usage: "show accounts, oldest first",
			Description: "In a search those come first whose name begins with it, in the order of their names,\nand then those of whom only the address does, in the order of the addresses.\n\n" +
				"   fieldgate user list --search ada\n   fieldgate user list --role ADMIN --json | jq -r .email",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "search", Usage: "only those whose name or e-mail address begins with this"},
				&cli.StringFlag{Name: "role", Usage: "only those with exactly this role"},
				jsonLinesFlag(),
			},
			Action: c.userList,
		},
		{
			Name: "role", Usage: "give an account a role, in force on its next request", ArgsUsage: "EMAIL ROLE",
			Description: "   fieldgate user role ada@example.com ADMIN", Flags: []cli.Flag{jsonFlag()}, Action: c.userRole,
		},
		{
			Name: "disable", Usage: "shut an account and end its sessions", ArgsUsage: "EMAIL",
			Description: "   fieldgate user disable ada@example.com", Flags: []cli.Flag{jsonFlag()}, Action: c.userDisable,
		},
		{
			Name: "enable", Usage: "open an account again; its sessions stay ended", ArgsUsage: "EMAIL",
			Description: "   fieldgate user enable ada@example.com", Flags: []cli.Flag{jsonFlag()}, Action: c.userEnable,
		},
		{
			Name: "delete", Usage: "delete an account with everything that belongs to it, for good", ArgsUsage: "EMAIL",
			Description: "It asks for confirmation on a terminal; elsewhere it needs --yes.\nThe address gets a mail, which is sent by a server that runs.\n\n   fieldgate user delete ada@example.com\n   fieldgate user delete ada@example.com --yes",
			Flags:       []cli.Flag{&cli.BoolFlag{Name: "yes", Usage: "delete without asking for confirmation"}, jsonFlag()},
			Action:      c.userDelete,
		},
		{
			Name: "reset-password", Usage: "mail an account a link to choose a new password", ArgsUsage: "EMAIL",
			Description: "It is sent at once if the mail server answers, and else by a server that runs.\n\n   fieldgate user reset-password ada@example.com",
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
		return c.printUser(cmd, user, "%s has an account with the role %s: %s", printable(user.Email), user.Role, user.ID)
	})
}

// readPassword asks twice on a terminal, and else reads one line.
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
		return "", errors.New("the two passwords differ; nothing was done")
	}
	return typed[0], nil
}

// userList writes page by page: there may be millions.
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
	return c.updateUser(ctx, cmd, []string{"EMAIL", "ROLE"}, "%s has the role %s now", func(s *server.Services, id string, args []string) (*models.User, error) {
		return s.Accounts.AsOperator().SetRole(ctx, id, args[1])
	})
}

func (c Console) userDisable(ctx context.Context, cmd *cli.Command) error {
	return c.updateUser(ctx, cmd, []string{"EMAIL"}, "%s with the role %s is shut out now", func(s *server.Services, id string, _ []string) (*models.User, error) {
		return s.Accounts.AsOperator().Disable(ctx, id)
	})
}

func (c Console) userEnable(ctx context.Context, cmd *cli.Command) error {
	return c.updateUser(ctx, cmd, []string{"EMAIL"}, "%s with the role %s may sign in again", func(s *server.Services, id string, _ []string) (*models.User, error) {
		return s.Accounts.AsOperator().Enable(ctx, id)
	})
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

// confirmDeletion has the address typed again.
func (c Console) confirmDeletion(terminal io.Reader, email string) error {
	fmt.Fprintf(c.Stderr, "This deletes %s and everything that belongs to it, for good.\nType the address again to confirm: ", printable(email))
	line, err := bufio.NewReader(io.LimitReader(terminal, 8<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the confirmation: %w", err)
	}
	if strings.TrimSpace(line) != email {
		return errors.New("the address was not confirmed; nothing was deleted")
	}
	return nil
}

// terminal is standard input, if it is a terminal.
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
		if s.Inbox != nil { // this one ends with the command: the one to look into is the server's
			_, err = fmt.Fprintf(c.Stdout, "a link for %s is at %s as soon as a server runs; with SMTP_URL it is mailed\n", to, s.Config.PublicURL.String()+server.InboxPath)
			return err
		}
		sent, err := s.Mailer.Send(ctx, link)
		switch {
		case err != nil:
			_, err = fmt.Fprintf(c.Stdout, "a link will be mailed to %s as soon as the mail server answers: %v\n", to, err)
		case sent:
			_, err = fmt.Fprintf(c.Stdout, "a link was mailed to %s\n", to)
		default:
			_, err = fmt.Fprintf(c.Stdout, "a link was not mailed yet to %s: the log says why, or a server is just sending it\n", to)
		}
		return err
	})
}

// updateUser does something to the account whose address is the first argument, and says what has become of it: done
// is a format for the address and the role.
func (c Console) updateUser(ctx context.Context, cmd *cli.Command, names []string, done string, f func(s *server.Services, id string, args []string) (*models.User, error)) error {
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

// noAccountError is models.ErrNotFound in the words of somebody who has typed an address.
type noAccountError struct{ email string }

func (e noAccountError) Error() string {
	return fmt.Sprintf("nobody has the address %q. Hint: fieldgate user list", e.email)
}

func (noAccountError) Unwrap() error { return models.ErrNotFound }

// printUser writes what has become of an account, as a sentence or as JSON.
func (c Console) printUser(cmd *cli.Command, u *models.User, format string, args ...any) error {
	if cmd.Bool("json") {
		return writeUserJSON(c.Stdout, u)
	}
	_, err := fmt.Fprintf(c.Stdout, format+"\n", args...)
	return err
}

// userRowFormat has what varies in length at its end, so that the columns stand one below the other without anybody
// having seen all of the rows.
const userRowFormat = "%-36s  %-20s  %-20s  %-5s  %-32s  %s\n"

func writeUserRow(w io.Writer, u *models.User) error {
	disabled := "-"
	if u.DisabledAt != nil {
		disabled = u.DisabledAt.UTC().Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(w, userRowFormat, u.ID, u.CreatedAt.UTC().Format(time.RFC3339), disabled, u.Role, printable(u.Email), printable(u.Name))
	return err
}

// writeUserJSON writes an account with the names that its fields have in the schema.
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
