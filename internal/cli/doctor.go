package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"fieldgate/graph"
	"fieldgate/internal/account"
	"fieldgate/internal/breached"
	"fieldgate/internal/doctor"
	"fieldgate/internal/mail"
	"fieldgate/internal/policy"
	"fieldgate/internal/server"
	"fieldgate/models"
)

// operationCommands returns the commands for operators.
func (c Console) operationCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "doctor", Usage: "check the configuration, the database and the machine",
			Description: "It checks what a server would start with, changes nothing and shows no secrets.\n\n   fieldgate doctor\n   fieldgate doctor --mail --deep --json",
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "mail", Usage: "also sign in to the mail server; nothing is sent"},
				&cli.BoolFlag{Name: "deep", Usage: "also check the integrity of a whole SQLite file; takes seconds per gigabyte"},
				jsonLinesFlag(),
			},
			Action: c.doctor,
		},
		{
			Name: "healthcheck", Usage: "check whether the server on this machine is ready",
			Description: "It connects to the loopback interface at the port of PORT or ADDR. Use it in containers without curl.\n\n   fieldgate healthcheck\n   fieldgate healthcheck --live",
			Flags:       []cli.Flag{&cli.BoolFlag{Name: "live", Usage: "check /healthz, which ignores the database, instead of /readyz"}},
			Action:      c.healthcheck,
		},
		{
			Name: "backup", Usage: "copy the SQLite database to a new file while the server runs", ArgsUsage: "FILE",
			Description: "The copy is a consistent snapshot, and only its owner can read it.\n\n   fieldgate backup /backups/fieldgate.db",
			Action:      c.backup,
		},
	}
}

func (c Console) doctor(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	findings := doctor.Check(c.snapshot(ctx, cmd.Bool("mail"), cmd.Bool("deep")))
	var out bytes.Buffer
	for _, f := range findings {
		if cmd.Bool("json") {
			if err := writeJSON(&out, f); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(&out, "%-7s  %-22s  %s\n", f.Level, f.ID, printable(f.Message))
		if f.Fix != "" {
			fmt.Fprintf(&out, "%-7s  %-22s  → %s\n", "", "", printable(f.Fix))
		}
	}
	if _, err := out.WriteTo(c.Stdout); err != nil {
		return err
	}
	switch n := doctor.Count(findings, doctor.Problem); n {
	case 0:
		return nil
	case 1:
		return errors.New("found 1 problem")
	default:
		return fmt.Errorf("found %d problems", n)
	}
}

// snapshot collects what the doctor checks. It changes nothing. An error in one part does not stop
// the others.
func (c Console) snapshot(ctx context.Context, checkMail, deep bool) (f doctor.Snapshot) {
	s, err := c.settings()
	if err != nil {
		f.ConfigErr = err
		return f
	}
	s.Log = slog.New(slog.DiscardHandler) // the findings are the only output
	f.Config, f.UnknownVariables, f.Machine = s.Config, s.unknownVariables, inspectMachine(cmp.Or(s.Processors, runtime.GOMAXPROCS(0)))
	f.KeyFiles = inspectKeyFiles(s.Config.JWTPrivateKeyFiles)
	f.DevelopmentKey = developmentKeyUse(s)
	f.Breached = inspectBreachedFile(s.Config.BreachedPasswords)
	_, f.TemplatesErr = mail.LoadTemplates(s.Config.MailTemplates)
	if checkMail && s.Config.SMTPURL != "" {
		f.Mail = &doctor.Result{Err: checkMailServer(ctx, s)}
	}
	f.Database = inspectDatabase(ctx, s, deep)
	f.HashTime = measureHash(ctx, s)
	return f
}

func inspectKeyFiles(names []string) (files []doctor.KeyFile) {
	for _, name := range names {
		file := doctor.KeyFile{Name: name}
		if info, err := os.Stat(name); err == nil {
			file.Mode = info.Mode()
		}
		_, file.Err = server.PrivateKeys([]string{name})
		files = append(files, file)
	}
	return files
}

// inspectBreachedFile opens the file of BREACHED_PASSWORDS; nil if name is empty.
func inspectBreachedFile(name string) *doctor.BreachedFile {
	if name == "" {
		return nil
	}
	set, err := breached.Open(name)
	if err != nil {
		return &doctor.BreachedFile{Err: err}
	}
	return &doctor.BreachedFile{Passwords: set.Len(), Err: set.Close()}
}

func developmentKeyUse(s settings) doctor.KeyUse {
	file, ok := models.SQLitePath(s.Config.DatabaseURL)
	if !ok {
		return doctor.KeyAbsent
	}
	kept, err := os.ReadFile(file + ".key")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doctor.KeyAbsent
	case err == nil && slices.Contains(s.Config.JWTSecrets, strings.TrimSpace(string(kept))):
		return doctor.KeySigning
	}
	return doctor.KeyUnused
}

// mailTimeout limits the check of the mail server.
const mailTimeout = 20 * time.Second

func checkMailServer(ctx context.Context, s settings) error {
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	transport, err := mail.NewSMTP(mail.SMTPConfig{URL: s.Config.SMTPURL, From: s.Config.MailFrom, RootCAs: s.SMTPRoots})
	if err != nil {
		return err
	}
	conn, err := transport.Connect(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

func inspectDatabase(ctx context.Context, s settings, deep bool) (d doctor.Database) {
	if file, ok := models.SQLitePath(s.Config.DatabaseURL); ok {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			d.Err = models.CheckSQLiteFolder(file)
			d.IsNew = d.Err == nil
			return d
		}
	}
	added, err := s.OpenStore()
	if err != nil {
		if d.Err = errors.Unwrap(err); d.Err == nil { // the finding names the variable already
			d.Err = err
		}
		return d
	}
	store := added.Store
	defer store.Close()
	if d.Inspection, d.Err = store.Inspect(ctx, deep); d.Err != nil {
		return d
	}
	if len(d.Inspection.Pending) == 0 {
		d.HasAdmin, d.AdminErr = hasAdmin(ctx, store)
		// With an error, sign-ins are not checked.
		d.SignIns, _ = store.RecentAddresses(ctx, account.EventSignIn, account.EventSignInFailed)
	}
	return d
}

// hasAdmin reports whether an enabled account has a role that includes ADMIN.
func hasAdmin(ctx context.Context, store *models.Store) (bool, error) {
	p, err := policy.Compile(graph.Schema())
	if err != nil {
		return false, err
	}
	roles := slices.DeleteFunc(slices.Clone(p.Roles()), func(role string) bool { return !p.Includes(role, policy.Admin) })
	return store.HasEnabledUser(ctx, roles)
}

var programStart = time.Now()

// measureHash returns the processor time of one password hash: the better of two measurements.
// Wall-clock time would be longer beside a busy server, because password hashing has low priority.
func measureHash(ctx context.Context, s settings) time.Duration {
	queue := account.NewQueue(1)
	defer queue.Close()
	passwords, err := account.NewPasswords(s.Config.BcryptCost, s.Config.PasswordPeppers, queue)
	if err != nil {
		return 0
	}
	best := time.Duration(math.MaxInt64)
	for range 2 {
		begin := processorTime()
		if _, err := passwords.Hash(ctx, "a password to measure with"); err != nil {
			return 0
		}
		best = min(best, processorTime()-begin)
	}
	return best
}

// inspectMachine reads the limits of the cgroup, if any (version 2, as containers see it).
func inspectMachine(threads int) doctor.Machine {
	m := doctor.Machine{Processors: runtime.NumCPU(), Threads: threads, HasGoMemLimit: os.Getenv("GOMEMLIMIT") != ""}
	quota, period, _ := strings.Cut(firstLine("/sys/fs/cgroup/cpu.max"), " ")
	q, _ := strconv.ParseFloat(quota, 64) // "max" is not a number
	if p, err := strconv.ParseFloat(period, 64); err == nil && p > 0 {
		m.Quota = q / p
	}
	m.Memory, _ = strconv.ParseInt(firstLine("/sys/fs/cgroup/memory.max"), 10, 64)
	return m
}

// firstLine returns the first line of a file, or "" if it cannot be read.
func firstLine(file string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return line
}
