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
			err: `ENV_FILE: "a\nb" is not usable: expected the name of a file. Hint: ENV_FILE is read from the environment only; inside a file it has no effect`,
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
		port               string // the value of PORT that is found
		ignored            bool
		err                string
	}{
		{name: "nothing at all"},
		{name: "a .env in development", dotEnv: "PORT=2", port: "2"},
		{name: "a .env with ENV=development in the environment", dotEnv: "PORT=2", env: env{"ENV": "development"}, port: "2"},
		{name: "a .env with ENV=production in the environment", dotEnv: "PORT=2", env: env{"ENV": "production"}, ignored: true},
		{name: "a .env with ENV=PRODUCTION in the environment", dotEnv: "PORT=2", env: env{"ENV": " Production "}, ignored: true},
		{name: "a malformed .env with ENV=production in the environment", dotEnv: "PORT", env: env{"ENV": "production"}, ignored: true},
		{name: "a .env of production with ENV=production in the environment", dotEnv: "ENV=production", env: env{"ENV": "production"}, ignored: true},
		{name: "a .env of production", dotEnv: "ENV=production\nPORT=2", err: "ENV_FILE=.env"},
		{name: "a .env of production in capitals", dotEnv: "export ENV='PRODUCTION '", err: "ENV_FILE=.env"},
		{name: "a .env of production with ENV=development in the environment", dotEnv: "ENV=production", env: env{"ENV": "development"}, err: "ENV_FILE=.env"},
		{name: "a .env of production with an empty ENV in the environment", dotEnv: "ENV=production", env: env{"ENV": ""}, err: "ENV_FILE=.env"},
		{name: "a .env of production that is named by the flag", dotEnv: "ENV=production\nPORT=2", flag: ".env", port: "2"},
		{name: "a .env of production that is named by the variable", dotEnv: "ENV=production\nPORT=2", env: env{"ENV_FILE": ".env"}, port: "2"},
		{name: "a file that is named in production", env: env{"ENV": "production", "ENV_FILE": "production.env"}, port: "1"},
		{name: "a file that is named beside a .env of production", dotEnv: "ENV=production\nPORT=2", env: env{"ENV_FILE": "production.env"}, port: "1"},
		{name: "the flag before the variable", flag: "production.env", env: env{"ENV_FILE": "nowhere"}, port: "1"},
		{name: "the environment before the file", flag: "production.env", env: env{"PORT": "3"}, port: "3"},
		{name: "an empty ENV_FILE", dotEnv: "PORT=2", env: env{"ENV_FILE": " "}, port: "2"},
		{name: "a file that names another", dotEnv: "ENV_FILE=production.env\nPORT=2", port: "2"},
		{name: "a missing file, named by the variable", env: env{"ENV_FILE": "nowhere"}, err: `ENV_FILE: "nowhere" is not usable`},
		{name: "a missing file, named by the flag", flag: "nowhere", err: `--env-file: "nowhere" is not usable`},
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
					t.Errorf("got error %v, want %s", err, row.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if port, _ := s.Lookup("PORT"); port != row.port || s.IgnoredDotEnv != row.ignored {
				t.Errorf("got PORT=%s, ignored %v, want PORT=%s, ignored %v", port, s.IgnoredDotEnv, row.port, row.ignored)
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
			t.Errorf("%s: got %v, want %v", url, got, want)
		}
	}
}
