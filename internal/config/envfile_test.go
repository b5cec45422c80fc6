package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var envFileSamples = samples{
	of: func(c *Config) any { return c.EnvFile },
	rows: []sample{
		{name: "a file", value: "/etc/fieldgate/.env", want: "/etc/fieldgate/.env"},
		{name: "nothing", value: "", want: ""},
		{
			name: "a line break", value: "a\nb",
			err: `ENV_FILE: "a\nb" is not usable: expected the name of a file. Hint: it is read from the environment only: in a file it means nothing`,
		},
	},
}

func TestFindSelectsSettingsFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("production.env", "ENV=production\nPORT=1\n")
	for _, row := range []struct {
		name, dotEnv, flag string
		env                env
		port               string // what is found
		ignored            bool
		err                string
	}{
		{name: "nothing at all"},
		{name: "a .env in development", dotEnv: "PORT=2", port: "2"},
		{name: "a .env in development, and the environment says so", dotEnv: "PORT=2", env: env{"ENV": "development"}, port: "2"},
		{name: "a .env beside an environment of production", dotEnv: "PORT=2", env: env{"ENV": "production"}, ignored: true},
		{name: "a .env beside an environment of PRODUCTION", dotEnv: "PORT=2", env: env{"ENV": " Production "}, ignored: true},
		{name: "a malformed .env beside an environment of production", dotEnv: "PORT", env: env{"ENV": "production"}, ignored: true},
		{name: "a .env of production beside an environment of production", dotEnv: "ENV=production", env: env{"ENV": "production"}, ignored: true},
		{name: "a .env of production", dotEnv: "ENV=production\nPORT=2", err: "ENV_FILE=.env"},
		{name: "a .env of production in capitals", dotEnv: "export ENV='PRODUCTION '", err: "ENV_FILE=.env"},
		{name: "a .env of production beside an environment of development", dotEnv: "ENV=production", env: env{"ENV": "development"}, err: "ENV_FILE=.env"},
		{name: "a .env of production beside an empty ENV", dotEnv: "ENV=production", env: env{"ENV": ""}, err: "ENV_FILE=.env"},
		{name: "a .env of production that is named by the flag", dotEnv: "ENV=production\nPORT=2", flag: ".env", port: "2"},
		{name: "a .env of production that is named by the variable", dotEnv: "ENV=production\nPORT=2", env: env{"ENV_FILE": ".env"}, port: "2"},
		{name: "a file that is named in production", env: env{"ENV": "production", "ENV_FILE": "production.env"}, port: "1"},
		{name: "a file that is named beside a .env of production", dotEnv: "ENV=production\nPORT=2", env: env{"ENV_FILE": "production.env"}, port: "1"},
		{name: "the flag before the variable", flag: "production.env", env: env{"ENV_FILE": "nowhere"}, port: "1"},
		{name: "the environment before the file", flag: "production.env", env: env{"PORT": "3"}, port: "3"},
		{name: "a variable that is set to nothing", dotEnv: "PORT=2", env: env{"ENV_FILE": " "}, port: "2"},
		{name: "a file that names another", dotEnv: "ENV_FILE=production.env\nPORT=2", port: "2"},
		{name: "a file that is not there, by the variable", env: env{"ENV_FILE": "nowhere"}, err: `ENV_FILE: "nowhere" is not usable`},
		{name: "a file that is not there, by the flag", flag: "nowhere", err: `--env-file: "nowhere" is not usable`},
		{name: "a malformed .env", dotEnv: "PORT=1\nhunter2", err: ".env: line 2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			write(".env", row.dotEnv)
			if row.dotEnv == "" {
				if err := os.Remove(filepath.Join(dir, ".env")); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Find(row.flag, row.env.lookup)
			if row.err != "" {
				if err == nil || !strings.Contains(err.Error(), row.err) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v, want %s", err, row.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if port, _ := s.Lookup("PORT"); port != row.port || s.IgnoredDotEnv != row.ignored {
				t.Errorf("PORT=%s, ignored %v", port, s.IgnoredDotEnv)
			}
		})
	}
}

func TestDatabaseUnencrypted(t *testing.T) {
	for url, want := range map[string]bool{
		"sqlite://x.db": false, "mysql://a:b@db/x": true, "mysql://a:b@db/x?tls=false": true, "mysql://a:b@db/x?tls=preferred": true,
		"mysql://a:b@db/x?tls=skip-verify": false, "mysql://a:b@db/x?tls=true": false, "mysql://a:b@127.0.0.1/x": true,
	} {
		c, err := Load(env{"DATABASE_URL": url, "JWT_SECRET": strongSecret}.lookup)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.DatabaseUnencrypted(); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
}
