package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/models"
	"fieldgate/servertest"
)

// The first field that needs the viewer loads the session and its user in one query. Later fields
// use the result.
func TestRequestLoadsTheUserInOneQuery(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		user, staff := b.NewUser("USER"), b.NewUser("STAFF")
		const badLogin = `login(input: {email: "nobody@example.com", password: "wrong password"}) { tokenType }`
		for _, row := range []struct {
			name  string
			as    *servertest.User
			query string
			want  uint64
		}{
			{"me", user, `{ me { id } }`, 1},
			{"me with every protected field", user, `{ me { email emailVerified role disabledAt } }`, 1},
			{
				"several protected fields", user,
				`{ a: me { id } b: me { email } c: users { edges { cursor } } d: me { role } }`, 1,
			},
			// The login's own queries: it reads the account and records the failure.
			{"a public mutation with a token, which is not read", user, `mutation { ` + badLogin + ` }`, 2},
			{"a public field without a token", nil, `{ __typename }`, 0},
			{"a public field with a token", user, `{ __typename }`, 0},
			{"a protected field without a token", nil, `{ me { id } users { edges { cursor } } }`, 0},
			{"a protected field with a malformed token", &servertest.User{Token: "x.y.z"}, `{ me { id } }`, 0},
			{"another user's account", staff, `{ user(id: "` + user.ID + `") { email role disabledAt } }`, 2},
			{
				"a page of accounts with all protected fields", staff,
				`{ users { edges { node { email role disabledAt } } } }`, 2,
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				before := b.internal.Store.Queries()
				b.Query(row.as, row.query)
				if got := b.internal.Store.Queries() - before; got != row.want {
					t.Errorf("got %d queries, want %d", got, row.want)
				}
			})
		}
	})
}

// A role change in the database applies to the next request of an access token issued before it.
func TestRoleChangeAppliesToTheNextRequest(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		t.Run("a role is granted and revoked", func(t *testing.T) {
			b := boot(t, databaseURL)
			b.NewUser("ADMIN") // p is never the last administrator
			p := b.NewUser("USER")
			for _, step := range []struct {
				role string
				want []string
			}{{"USER", []string{"users FORBIDDEN"}}, {"ADMIN", []string{}}, {"STAFF", []string{}}, {"USER", []string{"users FORBIDDEN"}}} {
				if _, err := b.internal.Accounts.AsOperator().SetRoleByEmail(t.Context(), p.Email, step.role); err != nil {
					t.Fatal(err)
				}
				if got := b.Query(p, `{ users { edges { cursor } } }`).Codes(); !slices.Equal(got, step.want) {
					t.Errorf("as %s: got %q, want %q", step.role, got, step.want)
				}
			}
		})
	})
}

func TestExpiredSessionIsUnauthenticated(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "ACCESS_TOKEN_TTL", "1h", "REFRESH_TOKEN_TTL", "1h", "REMEMBER_ME_TTL", "1h", "SESSION_MAX_AGE", "1h")
	p := b.NewUser("USER")
	b.Clock.Advance(59 * time.Minute)
	b.Query(p, `{ me { id } }`).Must()
	b.Clock.Advance(time.Minute)
	if got := b.Query(p, `{ me { id } }`).Codes(); !slices.Equal(got, []string{"me UNAUTHENTICATED"}) {
		t.Errorf("got %q", got)
	}
}

// The resolver of a denied field does not run, so a denied mutation changes nothing.
func TestDeniedMutationRunsNoResolver(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	p := b.NewUser("USER")
	before := b.internal.Store.Queries()
	b.Query(nil, `mutation { updateProfile(input: {name: "changed"}) { id } }`)
	if b.internal.Store.Queries() != before {
		t.Error("the resolver of a denied mutation queried the database")
	}
	if got := b.Query(p, `{ me { name } }`).Must().At("me.name"); got != "Somebody" {
		t.Errorf("got name %v, want Somebody", got)
	}
}

// Failed logins return the same bytes and headers for a wrong password, an unknown address and
// invalid input. Only the request id differs.
func TestFailedLoginsAreIndistinguishable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		p := b.NewUser("USER")
		const login = `mutation($e: String!) { login(input: {email: $e, password: "wrong password"}) { accessToken } }`
		answers := map[string]*servertest.Response{
			"a wrong password":       b.Query(nil, login, "e", p.Email),
			"an unknown address":     b.Query(nil, login, "e", "nobody@example.com"),
			"a malformed address":    b.Query(nil, login, "e", "nobody"),
			"a very long address":    b.Query(nil, login, "e", strings.Repeat("x", 300)+"@example.com"),
			"a NUL in the address":   b.Query(nil, login, "e", p.Email+"\x00"),
			"an address in capitals": b.Query(nil, login, "e", strings.ToUpper(p.Email)),
		}
		want := answers["a wrong password"]
		for name, got := range answers {
			if got.Body != want.Body || got.Status != want.Status {
				t.Errorf("%s: %s\nwant %s", name, got.Body, want.Body)
			}
			got.Header.Del("X-Request-Id")
			got.Header.Del("Date")
			for h := range want.Header {
				if h != "X-Request-Id" && h != "Date" && !slices.Equal(got.Header[h], want.Header[h]) {
					t.Errorf("%s: %s is %q, want %q", name, h, got.Header[h], want.Header[h])
				}
			}
		}
	})
}

func TestConcurrentRegistrationsCreateOneAccount(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		b := boot(t, databaseURL)
		const n = 50
		results := make(chan []string, n)
		for i := range n {
			email := "ada@example.com"
			if i%2 == 1 {
				email = "ADA@Example.COM"
			}
			go func() {
				results <- b.Query(nil, `mutation($e: String!) { register(input: {name: "Ada", email: $e, password: "`+servertest.Password+`"}) { user { id } } }`, "e", email).Codes()
			}()
		}
		count := map[string]int{}
		for range n {
			count[strings.Join(<-results, ",")]++
		}
		if count[""] != 1 || count["register EMAIL_TAKEN"] != n-1 {
			t.Errorf("got %v", count)
		}
		page, err := b.internal.Store.Users(t.Context(), models.UserFilter{Limit: 2})
		if err != nil || len(page.Users) != 1 {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

// A password hashed with another cost or without a pepper is accepted, and the login rehashes it.
func TestLoginRehashesOutdatedPasswords(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		old := boot(t, databaseURL, "BCRYPT_COST", "11")
		p := old.NewUser("USER")
		for _, row := range []struct {
			name string
			env  []string
			mark string
		}{
			{"another cost", []string{"BCRYPT_COST", "10"}, "v1$$2a$10$"},
			{
				"a hash without a pepper",
				[]string{"BCRYPT_COST", "10", "PASSWORD_PEPPER", "tV9bWc1Zq3Yx7Lr5Kd0pFh2Js8Nm4Gu6"},
				"v1p$$2a$10$",
			},
		} {
			t.Run(row.name, func(t *testing.T) {
				b := boot(t, databaseURL, row.env...)
				login := func() *servertest.Response {
					return b.Query(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`, "e", p.Email, "p", p.Password)
				}
				login().Must()
				user, err := b.internal.Store.UserByID(t.Context(), p.ID)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(user.PasswordHash, row.mark) {
					t.Errorf("stored %.12s…, want %s…", user.PasswordHash, row.mark)
				}
				login().Must()
			})
		}
	})
}

// PASSWORD_PEPPER is a list for rotation: the first pepper hashes, all of them verify, and a login
// rehashes with the first.
func TestLoginRehashesWithTheFirstPepper(t *testing.T) {
	t.Parallel()
	const first, second = "tV9bWc1Zq3Yx7Lr5Kd0pFh2Js8Nm4Gu6", "Qm4Zp8Xw2Lc6Vr0Tb5Hd9Ks3Fn7Gy1Ja"
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		login := func(b *testServer, p *servertest.User, password string) *servertest.Response {
			return b.Query(nil, `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`, "e", p.Email, "p", password)
		}
		stored := func(b *testServer, p *servertest.User) string {
			user, err := b.internal.Store.UserByID(t.Context(), p.ID)
			requireNoError(t, err)
			return user.PasswordHash
		}
		before := boot(t, databaseURL, "PASSWORD_PEPPER", first)
		rehashed, unseen := before.NewUser("USER"), before.NewUser("USER")
		both := boot(t, databaseURL, "PASSWORD_PEPPER", second+","+first)
		old := stored(both, rehashed)
		login(both, rehashed, rehashed.Password).Must()
		fresh := stored(both, rehashed)
		if fresh == old {
			t.Error("the login did not rehash the password with the first pepper")
		}
		login(both, rehashed, rehashed.Password).Must()
		if stored(both, rehashed) != fresh {
			t.Error("a second login rehashed the password again")
		}
		wantCodes(t, login(both, unseen, "wrong password"), "login INVALID_CREDENTIALS")
		newcomer := both.NewUser("USER")

		after := boot(t, databaseURL, "PASSWORD_PEPPER", second)
		login(after, rehashed, rehashed.Password).Must()
		login(after, newcomer, newcomer.Password).Must()
		wantCodes(t, login(after, unseen, unseen.Password), "login INVALID_CREDENTIALS")
		login(boot(t, databaseURL, "PASSWORD_PEPPER", first+","+second), unseen, unseen.Password).Must()
		wantCodes(t, login(before, rehashed, rehashed.Password), "login INVALID_CREDENTIALS")
	})
}

func TestLongPasswordsAreNotTruncated(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("quiet rivers under old moss carry 7 stones; ", 24)
	b := boot(t, dbtest.SQLite(t))
	const register = `mutation($e: String!, $p: String!) { register(input: {name: "X", email: $e, password: $p}) { user { id } } }`
	const login = `mutation($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { user { id } } }`
	for _, row := range []struct{ name, email, password, other string }{
		{"73 bytes, where bcrypt alone reads 72", "a@example.com", long[:72] + "y", long[:72] + "z"},
		{"one more character", "b@example.com", long[:200], long[:200] + "x"},
		{"64 emoji", "c@example.com", strings.Repeat("🔑", 64), strings.Repeat("🔑", 63)},
		{"1,024 bytes", "d@example.com", long[:1024], long[:1023]},
		{"accents are normalized", "e@example.com", "Zo\u00eb's passphrase", "Zoe's passphrase"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b.Query(nil, register, "e", row.email, "p", row.password).Must()
			b.Query(nil, login, "e", row.email, "p", row.password).Must()
			if got := b.Query(nil, login, "e", row.email, "p", row.other).Codes(); !slices.Equal(got, []string{"login INVALID_CREDENTIALS"}) {
				t.Errorf("another password: %q", got)
			}
		})
	}
	b.Query(nil, login, "e", "e@example.com", "p", "Zoe\u0308's passphrase").Must()
	tooLong := strings.Repeat("q", 1025)
	for _, query := range []string{register, login} {
		if got := b.Query(nil, query, "e", "f@example.com", "p", tooLong); got.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || strings.Contains(got.Body, "qqqq") {
			t.Error(got.Body)
		}
	}
}
