package e2e

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	productapp "fieldgate/app"
	"fieldgate/extend"
	"fieldgate/fgerr"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
	"fieldgate/models"
	"fieldgate/servertest"
	"fieldgate/viewer"
)

// bootWithFeatures starts a server with the features of a product.
func bootWithFeatures(t *testing.T, databaseURL string, features []extend.Feature, env ...string) *testServer {
	t.Helper()
	return bootConfig(t, servertest.Config{
		DatabaseURL: databaseURL, Env: env,
		App: func(r *extend.Registry) (*productapp.App, error) {
			for _, f := range features {
				r.Add(f)
			}
			return &productapp.App{}, nil
		},
	})
}

func bootWithHooks(t *testing.T, databaseURL string, hooks extend.Hooks, env ...string) *testServer {
	t.Helper()
	return bootWithFeatures(t, databaseURL, []extend.Feature{{Name: "hooks", Hooks: hooks}}, env...)
}

// mark is a row of a product's table in which hooks leave something.
type mark struct {
	ID string `gorm:"primaryKey"`
}

func marksFeature(hooks extend.Hooks) extend.Feature {
	sql := func(options string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE IF NOT EXISTS marks (id CHAR(36) NOT NULL, PRIMARY KEY (id))" + options + ";\n\n-- +goose Down\nDROP TABLE marks;\n")}
	}
	return extend.Feature{
		Name: "marks", Hooks: hooks, Tables: []models.Table{{Row: &mark{}}},
		Migrations: fstest.MapFS{"sqlite/00001_marks.sql": sql(""), "mysql/00001_marks.sql": sql(" CHARACTER SET ascii COLLATE ascii_bin")},
	}
}

func (b *testServer) countMarks() (n int64) {
	b.t.Helper()
	if err := b.internal.Store.DB(b.t.Context()).Model(&mark{}).Count(&n).Error; err != nil {
		b.t.Fatal(err)
	}
	return n
}

const hookedRegister = `mutation($e: String!) { register(input: {name: "Ada", email: $e, password: "` + servertest.Password + `", delivery: BODY}) { user { id } } }`

const hookedLogin = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p, delivery: BODY}) { user { id } } }`

func TestBeforeRegisterRefusesWithAnInputError(t *testing.T) {
	t.Parallel()
	for _, required := range []string{"false", "true"} {
		t.Run("verified address required "+required, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				b := bootWithHooks(t, databaseURL, extend.Hooks{BeforeRegister: func(ctx context.Context, r extend.Registration) error {
					if v, err := viewer.Optional(ctx); v != nil || err != nil {
						t.Errorf("got viewer %v, %v, want none", v, err)
					}
					if r.Name == "Ada" && strings.HasSuffix(r.Email, "@example.com") {
						return nil
					}
					return fgerr.InvalidInput(fgerr.FieldError{Name: "email", Message: "must be of the company"})
				}}, "REQUIRE_VERIFIED_EMAIL", required)
				got := b.Query(nil, hookedRegister, "e", "eve@elsewhere.example")
				wantCodes(t, got, "register BAD_USER_INPUT")
				if !strings.Contains(got.Body, `"fields":[{"name":"email","message":"must be of the company"}]`) {
					t.Error(got.Body)
				}
				if _, err := b.internal.Store.UserByEmailKey(t.Context(), "eve@elsewhere.example"); !errors.Is(err, models.ErrNotFound) {
					t.Errorf("got %v, want no account", err)
				}
				b.Query(nil, hookedRegister, "e", "ada@example.com")
				if _, err := b.internal.Store.UserByEmailKey(t.Context(), "ada@example.com"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestBeforeSignInRefusalIsAudited(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var refuse atomic.Bool
		var calls atomic.Int32
		b := bootWithHooks(t, databaseURL, extend.Hooks{BeforeSignIn: func(_ context.Context, u *models.User) error {
			calls.Add(1)
			if refuse.Load() {
				return fgerr.New("TENANT_SUSPENDED", "the tenant of "+u.Name+" is suspended", nil)
			}
			return nil
		}})
		p := b.registerDevice()
		refuse.Store(true)
		calls.Store(0)
		wantCodes(t, b.Query(nil, hookedLogin, "e", p.Email, "p", "a wrong password"), "login INVALID_CREDENTIALS")
		if calls.Load() != 0 {
			t.Error("the hook ran for a wrong password")
		}
		got := b.Query(nil, hookedLogin, "e", p.Email, "p", p.Password)
		wantCodes(t, got, "login TENANT_SUSPENDED")
		log, err := b.internal.Store.AuditLog(t.Context(), models.AuditFilter{UserID: p.ID, Limit: 1})
		if err != nil || log[0].Event != "sign-in failed" || log[0].Detail == nil || *log[0].Detail != "refused" {
			t.Errorf("%+v, %v", log, err)
		}
		refuse.Store(false)
		b.Query(nil, hookedLogin, "e", p.Email, "p", p.Password).Must()
	})
}

// The client gets a masked error, and the log has its cause once.
func TestHookFailureIsMaskedAndLoggedOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		fail func() error
		log  string
	}{
		{"by an error", func() error { return errors.New("the directory is away") }, "the directory is away"},
		{"by a panic", func() error { panic("out of cheese") }, "out of cheese"},
	} {
		for hook, hooks := range map[string]extend.Hooks{
			"BeforeRegister": {BeforeRegister: func(context.Context, extend.Registration) error { return row.fail() }},
			"AfterEvent": {
				AfterEvent: func(context.Context, *models.Store, extend.Event) error { return row.fail() },
			},
		} {
			t.Run(hook+" "+row.name, func(t *testing.T) {
				t.Parallel()
				b := bootWithHooks(t, dbtest.SQLite(t), hooks)
				got := b.Query(nil, hookedRegister, "e", "ada@example.com")
				wantCodes(t, got, "register INTERNAL")
				if strings.Contains(got.Body, row.log) {
					t.Errorf("the response has the cause: %s", got.Body)
				}
				if n := strings.Count(b.Log.String(), row.log); n != 1 {
					t.Errorf("got the cause %d times in the log, want 1:\n%s", n, b.Log)
				}
				if _, err := b.internal.Store.UserByEmailKey(t.Context(), "ada@example.com"); !errors.Is(err, models.ErrNotFound) {
					t.Errorf("the account: %v", err)
				}
			})
		}
	}
}

func TestHookPastItsDeadlineIsUnavailable(t *testing.T) {
	t.Parallel()
	testEnd := make(chan struct{})
	t.Cleanup(func() { close(testEnd) })
	for name, wait := range map[string]func(context.Context) error{
		"a hook that observes its context": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"a hook that ignores its context":  func(context.Context) error { <-testEnd; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bootWithHooks(t, dbtest.SQLite(t), extend.Hooks{
				BeforeRegister: func(ctx context.Context, _ extend.Registration) error { return wait(ctx) },
			})
			begin := time.Now()
			got := b.Query(nil, hookedRegister, "e", "ada@example.com")
			if took := time.Since(begin); took < extend.Deadline || took > extend.Deadline+20*time.Second {
				t.Errorf("the request took %s, want about %s", took, extend.Deadline)
			}
			wantCodes(t, got, "register UNAVAILABLE")
			if got.Errors[0].Extensions["retryAfter"] == nil || strings.Contains(got.Body, "hooks") {
				t.Error(got.Body)
			}
			if n := strings.Count(b.Log.String(), "hook deadline exceeded"); n != 1 || !strings.Contains(b.Log.String(), `feature \"hooks\": BeforeRegister`) {
				t.Errorf("got %d log lines, want 1:\n%s", n, b.Log)
			}
			if _, err := b.internal.Store.UserByEmailKey(t.Context(), "ada@example.com"); !errors.Is(err, models.ErrNotFound) {
				t.Errorf("the account: %v", err)
			}
		})
	}
}

func TestAfterEventErrorRollsBackTheTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var fail atomic.Bool
		var mu sync.Mutex
		var events []extend.Event
		b := bootWithFeatures(t, databaseURL, []extend.Feature{marksFeature(extend.Hooks{
			AfterEvent: func(ctx context.Context, tx *models.Store, e extend.Event) error {
				if err := tx.DB(ctx).Create(&mark{e.ID}).Error; err != nil {
					return err
				}
				if fail.Load() {
					return fgerr.New("QUOTA_EXCEEDED", "no room for another member", nil)
				}
				mu.Lock()
				defer mu.Unlock()
				events = append(events, e)
				return nil
			},
		})})
		fail.Store(true)
		wantCodes(t, b.Query(nil, hookedRegister, "e", "ada@example.com"), "register QUOTA_EXCEEDED")
		_, err := b.internal.Store.UserByEmailKey(t.Context(), "ada@example.com")
		log, _ := b.internal.Store.AuditLog(t.Context(), models.AuditFilter{})
		if !errors.Is(err, models.ErrNotFound) || len(log) != 0 || b.countMarks() != 0 {
			t.Errorf("got %v, %d entries, %d marks, want no account, entry or mark", err, len(log), b.countMarks())
		}
		fail.Store(false)
		got := b.Query(nil, hookedRegister, "e", "ada@example.com").Must()
		log, _ = b.internal.Store.AuditLog(t.Context(), models.AuditFilter{})
		id := got.Text("register.user.id")
		if len(events) != 1 || len(log) != 1 || b.countMarks() != 1 {
			t.Fatalf("got %d events, %d entries, %d marks, want 1 each", len(events), len(log), b.countMarks())
		}
		e := events[0]
		if e.Name != "registered" || e.UserID != id || e.ActorID != id || e.Detail != "USER" || e.ID != log[0].ID || !e.At.Equal(log[0].CreatedAt) {
			t.Errorf("got event %+v, want that of the entry %+v", e, log[0])
		}
	})
}

// A hook gets the viewer of the request from its context.
func TestHooksSeeTheViewer(t *testing.T) {
	t.Parallel()
	type seen struct {
		id, ip       string
		user, staff  bool
		owns, cannot bool
	}
	got := make(chan seen, 1)
	b := bootWithHooks(t, dbtest.SQLite(t), extend.Hooks{AfterEvent: func(ctx context.Context, _ *models.Store, e extend.Event) error {
		if e.Name != "role changed" || e.ActorID == "" { // an operator's command has no viewer
			return nil
		}
		v, err := viewer.FromContext(ctx)
		if err != nil {
			return err
		}
		got <- seen{v.ID(), viewer.IP(ctx), v.HasRole("USER"), v.HasRole("STAFF"), v.Owns(v.User()), v.Owns(struct{}{}) || v.HasRole("") || v.SessionID() == ""}
		return nil
	}})
	admin, user := b.NewUser("ADMIN"), b.NewUser("USER")
	for len(got) > 0 {
		<-got
	}
	b.Query(admin, `mutation($id: ID!) { setUserRole(userId: $id, role: STAFF) { id } }`, "id", user.ID).Must()
	if s := <-got; s != (seen{admin.ID, "127.0.0.1", true, true, true, false}) {
		t.Errorf("%+v", s)
	}
}

func TestUserDeletedHookErrorKeepsTheUser(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		var fail atomic.Bool
		b := bootWithFeatures(t, databaseURL, []extend.Feature{marksFeature(extend.Hooks{
			UserDeleted: func(ctx context.Context, tx *models.Store, u *models.User) error {
				if err := tx.DB(ctx).Create(&mark{u.ID}).Error; err != nil {
					return err
				}
				if fail.Load() {
					panic("not this one")
				}
				return nil
			},
		})})
		p := b.registerDevice()
		const deleteOwn = `mutation($p: String!) { deleteAccount(password: $p) }`
		fail.Store(true)
		wantCodes(t, b.Query(p.User, deleteOwn, "p", p.Password), "deleteAccount INTERNAL")
		b.Query(p.User, `{ me { id } }`).Must()
		if b.countMarks() != 0 {
			t.Errorf("got %d marks, want none after a rollback", b.countMarks())
		}
		fail.Store(false)
		b.Query(p.User, deleteOwn, "p", p.Password).Must()
		if b.countMarks() != 1 {
			t.Errorf("got %d marks, want 1", b.countMarks())
		}
	})
}

// Unused accounts are deleted in the background, where a panic of a hook would end the process.
func TestSweepSurvivesPanickingHook(t *testing.T) {
	t.Parallel()
	b := bootWithHooks(t, dbtest.SQLite(t), extend.Hooks{
		UserDeleted: func(context.Context, *models.Store, *models.User) error { panic("out of cheese") },
	}, "REQUIRE_VERIFIED_EMAIL", "true")
	b.Query(nil, hookedRegister, "e", "ada@example.com")
	b.Clock.Advance(b.internal.Config.UnverifiedAccountTTL + time.Hour)
	b.internal.Sweep(t.Context())
	if _, err := b.internal.Store.UserByEmailKey(t.Context(), "ada@example.com"); err != nil {
		t.Errorf("the account: %v", err)
	}
	if !strings.Contains(b.Log.String(), `UserDeleted`) {
		t.Errorf("the log does not name UserDeleted: %s", b.Log)
	}
}

func TestInvalidFeatureStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, want string
		make       func(*extend.Registry) (*productapp.App, error)
	}{
		{"an error of app.New", "app.New: PAYMENT_KEY: not set", func(*extend.Registry) (*productapp.App, error) {
			return nil, errors.New("PAYMENT_KEY: not set")
		}},
		{"two features with one table", `app.New: feature "other": the table marks belongs to feature "marks"`, func(r *extend.Registry) (*productapp.App, error) {
			f := marksFeature(extend.Hooks{})
			r.Add(f)
			f.Name = "other"
			r.Add(f)
			return &productapp.App{}, nil
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := servertest.Options(t, dbtest.SQLite(t), &servertest.Log{})
			s.NewApp = row.make
			if _, err := server.New(s); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want %s", err, row.want)
			}
		})
	}
}

// The commands migrate, migrate status and doctor include the migrations of features.
func TestCommandsIncludeFeatureMigrations(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := bootWithFeatures(t, databaseURL, []extend.Feature{marksFeature(extend.Hooks{})})
		if err := b.internal.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
		execSQL(t, databaseURL, "DELETE FROM goose_db_version_marks WHERE version_id = 1")
		b.internal.Config.AutoMigrate = false
		if err := b.internal.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "marks/00001_marks.sql") {
			t.Errorf("got error %v, want the pending migration marks/00001_marks.sql", err)
		}
		env := map[string]string{"DATABASE_URL": databaseURL, "JWT_SECRET": servertest.Secret}
		_, out, stderr := servertest.RunCLI(t, env, "", "doctor") // a program without the feature
		if !strings.Contains(out, "the feature marks has migrated this database") {
			t.Errorf("%s%s", out, stderr)
		}
		if status, out, stderr := servertest.RunCLI(t, env, "", "migrate", "status"); status != 0 || strings.Contains(out, "marks") {
			t.Errorf("%d %s%s", status, out, stderr)
		}
	})
}
