package config

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

// env is a set of environment variables.
type env map[string]string

func (e env) lookup(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

const (
	// Random secrets, generated for these tests.
	strongSecret  = "f1Z8mC0qT-xW7uHnB5vR3eKyLdJ9aPoS2gQ6iXbVtE4"
	anotherSecret = "9c41e07bd25f8a36e1047bc98d53f2a6b07de419c5823fa6"
)

// production returns an environment that is valid in production.
func production() env {
	return env{
		"ENV":          "production",
		"PUBLIC_URL":   "https://api.example.com",
		"DATABASE_URL": "mysql://fieldgate:pw@db:3306/fieldgate?tls=true",
		"JWT_SECRET":   strongSecret,
	}
}

func TestDefaults(t *testing.T) {
	tests := []struct {
		name string
		env  env
	}{
		{"an empty environment", env{}},
		{"empty variables", env{"ENV": "", "PORT": "", "JWT_SECRET": "", "DATABASE_URL": "", "PUBLIC_URL": ""}},
		{"variables of white space", env{"ENV": " ", "ACCESS_TOKEN_TTL": "\t\n"}},
	}
	want := &Config{
		Addr:        "localhost:8080",
		PublicURL:   &url.URL{Scheme: "http", Host: "localhost:8080"},
		AppURL:      &url.URL{Scheme: "http", Host: "localhost:8080"},
		DatabaseURL: "sqlite://fieldgate.db",
		MailFrom:    "Fieldgate <no-reply@localhost>",

		UnverifiedAccountTTL: 168 * time.Hour,
		JWTIssuer:            "http://localhost:8080",
		JWTAudience:          "http://localhost:8080",
		AccessTokenTTL:       15 * time.Minute,
		RefreshTokenTTL:      7 * 24 * time.Hour,
		RememberMeTTL:        30 * 24 * time.Hour,
		SessionMaxAge:        30 * 24 * time.Hour,
		BcryptCost:           12,
		PasswordMinLength:    8,
		AuditRetention:       365 * 24 * time.Hour,
		CookieSameSite:       http.SameSiteStrictMode,
		AutoMigrate:          true,
		Introspection:        true,
		Playground:           true,
		Tracing:              Tracing{Service: "fieldgate", Sampler: "parentbased_always_on", Ratio: 1},
		LogFormat:            "text",
		LogLevel:             slog.LevelInfo,
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Load(tt.env.lookup)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestProductionDefaults(t *testing.T) {
	got, err := Load(production().lookup)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Production || !got.DatabaseExplicit || !got.CookieSecure() {
		t.Errorf("got %+v, want production, an explicit database and secure cookies", got)
	}
	if got.Introspection || got.Playground || got.LogFormat != "json" {
		t.Errorf("got %+v, want no introspection, no playground and a json log", got)
	}
	if got.JWTIssuer != "https://api.example.com" || got.JWTAudience != "https://api.example.com" {
		t.Errorf("got issuer %q and audience %q, want PUBLIC_URL for both", got.JWTIssuer, got.JWTAudience)
	}
}

// productionWith returns production with some variables replaced. variables are names and values in
// turn.
func productionWith(variables ...string) env {
	e := production()
	for i := 0; i < len(variables); i += 2 {
		e[variables[i]] = variables[i+1]
	}
	return e
}

// Key files or a secret satisfy production. A secret that is set must be strong, even if it only
// verifies.
func TestProductionAcceptsKeyFilesInsteadOfSecret(t *testing.T) {
	tests := []struct {
		name string
		env  env
		err  string
	}{
		{"key files alone", productionWith("JWT_SECRET", "", "JWT_PRIVATE_KEY_FILES", "new.pem"), ""},
		{"both", productionWith("JWT_PRIVATE_KEY_FILES", "new.pem"), ""},
		{
			"a weak secret beside key files", productionWith("JWT_SECRET", strings.Repeat("x", 32), "JWT_PRIVATE_KEY_FILES", "new.pem"),
			"JWT_SECRET: (not shown) is not usable: expected a random secret in production, and this one has too few different characters. Hint: create one with: fieldgate keys secret",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(tt.env.lookup)
			if got := errorText(err); got != tt.err {
				t.Fatalf("got error\n\t%s\nwant\n\t%s", got, tt.err)
			}
			if err == nil && (len(c.JWTPrivateKeyFiles) != 1 || strings.Join(c.JWTSecrets, ",") != tt.env["JWT_SECRET"]) {
				t.Errorf("got files %q and secrets %q, want one file and %q", c.JWTPrivateKeyFiles, c.JWTSecrets, tt.env["JWT_SECRET"])
			}
		})
	}
}

func TestProductionRequirements(t *testing.T) {
	tests := []struct{ name, variable, value, err string }{
		{
			"a database is required", "DATABASE_URL", "",
			"DATABASE_URL: not set: expected sqlite://FILE or mysql://USER:PASSWORD@HOST:PORT/NAME in production. Hint: to use SQLite on one machine, set it explicitly: sqlite:///var/lib/fieldgate.db",
		},
		{"an explicit SQLite database is accepted", "DATABASE_URL", "sqlite://fieldgate.db", ""},
		{
			"a secret is required", "JWT_SECRET", "",
			"JWT_SECRET: not set: expected a random secret of at least 32 bytes in production, or JWT_PRIVATE_KEY_FILES. Hint: create one with: fieldgate keys secret",
		},
		{
			"a random secret is required", "JWT_SECRET", "your-256-bit-secret-your-256-bit-secret",
			"JWT_SECRET: (not shown) is not usable: expected a random secret in production, and this one contains a common word or a placeholder. Hint: create one with: fieldgate keys secret",
		},
		{
			"every secret of a list must be random", "JWT_SECRET", strongSecret + "," + strings.Repeat("0123456789", 4),
			"JWT_SECRET: (not shown) is not usable: expected a random secret in production, and this one repeats a short pattern (secret 2 of 2). Hint: create one with: fieldgate keys secret",
		},
		{"a pepper is optional", "PASSWORD_PEPPER", "", ""},
		{"a random pepper is accepted", "PASSWORD_PEPPER", anotherSecret[:16], ""},
		{
			"a weak pepper is refused", "PASSWORD_PEPPER", "changemechangeme",
			"PASSWORD_PEPPER: (not shown) is not usable: expected a random secret in production, and this one contains a common word or a placeholder. Hint: create one with: fieldgate keys secret",
		},
		{
			"a public address is required", "PUBLIC_URL", "",
			"PUBLIC_URL: not set: expected an https URL in production. Hint: write the address that clients use, as in https://api.example.com",
		},
		{
			"a public address must use https", "PUBLIC_URL", "http://api.example.com",
			`PUBLIC_URL: "http://api.example.com" is not usable: expected an https URL in production. Hint: it is the address that clients use, even if a proxy in front of the server terminates TLS`,
		},
		{"an explicit playground is accepted", "PLAYGROUND", "true", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := production()
			e[tt.variable] = tt.value
			_, err := Load(e.lookup)
			if got := errorText(err); got != tt.err {
				t.Errorf("got error\n\t%s\nwant\n\t%s", got, tt.err)
			}
		})
	}
}

func TestLoadReportsEveryInvalidValue(t *testing.T) {
	e := env{}
	for _, v := range variables {
		e[v.name] = "?"
	}
	_, err := Load(e.lookup)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got error %v, want joined errors", err)
	}
	var got []string
	for _, err := range joined.Unwrap() {
		one, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("got error %v, want an *Error", err)
		}
		if one.Hint == "" || one.Expected == "" {
			t.Errorf("%s: got hint %q and expectation %q, want both", one.Variable, one.Hint, one.Expected)
		}
		got = append(got, one.Variable)
	}
	var want []string
	for _, v := range variables {
		switch v.name {
		// A "?" is valid as a claim and as a file name.
		case "JWT_ISSUER", "JWT_AUDIENCE", "JWT_PRIVATE_KEY_FILES", "MAIL_TEMPLATES", "BREACHED_PASSWORDS", "ENV_FILE":
		default:
			want = append(want, v.name)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got errors for\n\t%v\nwant\n\t%v", got, want)
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != len(want) {
		t.Errorf("got %d lines, want one per variable: %v", lines, err)
	}
}

func TestInvalidValueCausesNoFollowUpErrors(t *testing.T) {
	tests := []struct {
		name string
		env  env
		want string // the only variable that is reported
	}{
		{"an issuer from a wrong PUBLIC_URL", env{"PUBLIC_URL": "nonsense"}, "PUBLIC_URL"},
		{"a cookie rule from a wrong PUBLIC_URL", env{"PUBLIC_URL": "nonsense", "COOKIE_SAMESITE": "none"}, "PUBLIC_URL"},
		{"a missing secret from a wrong key file", productionWith("JWT_SECRET", "", "JWT_PRIVATE_KEY_FILES", "a.pem,"), "JWT_PRIVATE_KEY_FILES"},
		{"production's rules from a wrong ENV", env{"ENV": "prod"}, "ENV"},
		{"a contradiction from a wrong PORT", env{"PORT": "http", "ADDR": ":9000"}, "PORT"},
		{"a comparison from a wrong lifetime", env{"REFRESH_TOKEN_TTL": "7d", "ACCESS_TOKEN_TTL": "1h"}, "REFRESH_TOKEN_TTL"},
		{"a default from a wrong lifetime", env{"REMEMBER_ME_TTL": "30d", "ACCESS_TOKEN_TTL": "30m"}, "REMEMBER_ME_TTL"},
		{"a second fault of the same lifetime", env{"ACCESS_TOKEN_TTL": "40m", "REFRESH_TOKEN_TTL": "30m", "SESSION_MAX_AGE": "10m"}, "REFRESH_TOKEN_TTL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(tt.env.lookup)
			if text := errorText(err); strings.Contains(text, "\n") || !strings.HasPrefix(text, tt.want+": ") {
				t.Errorf("got error %s, want one line about %s", text, tt.want)
			}
		})
	}
}

func TestCookieSecure(t *testing.T) {
	for publicURL, want := range map[string]bool{"https://api.example.com": true, "HTTPS://api.example.com": true, "http://localhost:8080": false, "": false} {
		c, err := Load(env{"PUBLIC_URL": publicURL}.lookup)
		if err != nil || c.CookieSecure() != want {
			t.Errorf("%q: got %v, error %v, want %v", publicURL, c.CookieSecure(), err, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
