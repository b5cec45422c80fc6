package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDotEnvValues(t *testing.T) {
	environment := env{"PORT": "1", "ADDR": ""}
	tests := []struct {
		name, text     string
		variable, want string
		wantOK         bool
	}{
		{"a value from the file", "LOG_LEVEL=debug\n", "LOG_LEVEL", "debug", true},
		{"the environment wins", "PORT=2\n", "PORT", "1", true},
		{"the environment wins with an empty value", "ADDR=:2\n", "ADDR", "", true},
		{"a variable that is not set", "PORT=2\n", "ENV", "", false},
		{"an empty file", "", "ENV", "", false},
		{"an empty value", "ENV=\nLOG_LEVEL=debug\n", "ENV", "", true},
		{"no line break at the end", "A=1\nENV=production", "ENV", "production", true},
		{"Windows line breaks", "A=1\r\nENV=production\r\n", "ENV", "production", true},
		{"a byte order mark", "\ufeffENV=production\n", "ENV", "production", true},
		{"comments", "# ENV=development\nENV=production # not yet\n", "ENV", "production", true},
		{"export", "export ENV=production\n", "ENV", "production", true},
		{"single quotes", "PASSWORD_PEPPER=' a #\\n$B '\n", "PASSWORD_PEPPER", ` a #\n$B `, true},
		{"double quotes", `PASSWORD_PEPPER=" a # $B ${B} "` + "\n", "PASSWORD_PEPPER", " a # $B ${B} ", true},
		{"a value of several lines", "A=\"1\n2\"\nENV=production\n", "ENV", "production", true},
		{"a dollar sign is literal", "B=1\nPASSWORD_PEPPER=a$B$(C)${D}$$\n", "PASSWORD_PEPPER", "a$B$(C)${D}$$", true},
		{"the last definition wins", "ENV=development\nENV=production\n", "ENV", "production", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lookup, err := DotEnv(writeFile(t, tt.text), environment.lookup)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := lookup(tt.variable); got != tt.want || ok != tt.wantOK {
				t.Errorf("got %q %v, want %q %v", got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

func TestDotEnvReportsMalformedLine(t *testing.T) {
	tests := []struct {
		name, text string
		line       string
	}{
		{"no equals sign", "A=1\nhunter2hunter2\nB=2\n", "2"},
		{"no equals sign at the end", "A=1\nB=2\n\nhunter2hunter2", "4"},
		{"an open quote", "A=1\n# a comment\nB='hunter2hunter2\nC=3\n", "3"},
		{"an open quote after one of several lines", "A=\"1\n2\"\nB=\"hunter2hunter2\n", "3"},
		{"a space in a name", "A=1\nPASSWORD hunter2hunter2=2\n", "2"},
		{"a digit at the start of a name", "1A=hunter2hunter2\n", "1"},
		{"an invalid character in a name", "A-B=hunter2hunter2\n", "1"},
		{"a NUL", "A=1\nB=hunter2\x00hunter2\n", "2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := writeFile(t, tt.text)
			lookup, err := DotEnv(path, env{}.lookup)
			want := path + ": line " + tt.line + ": expected NAME=value. Hint: put a value with spaces, quotes or # into single quotes"
			if errorText(err) != want {
				t.Errorf("got error\n\t%v\nwant\n\t%s", err, want)
			}
			if lookup != nil {
				t.Error("got a lookup together with the error, want nil")
			}
		})
	}
}

func TestMissingDotEnvIsIgnored(t *testing.T) {
	lookup, err := DotEnv(filepath.Join(t.TempDir(), ".env"), env{"ENV": "development"}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := lookup("ENV"); got != "development" || !ok {
		t.Errorf("got %q %v, want the value of the environment", got, ok)
	}
}

func TestUnreadableDotEnvNamesPath(t *testing.T) {
	dir := t.TempDir()
	_, err := DotEnv(dir, env{}.lookup)
	if err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v, want one that names %s", err, dir)
	}
}

func TestLoadReadsDotEnv(t *testing.T) {
	path := writeFile(t, "PORT=9000\nLOG_LEVEL=loud\n")
	lookup, err := DotEnv(path, env{"LOG_LEVEL": "warn"}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(lookup)
	if err != nil || c.Addr != "localhost:9000" {
		t.Errorf("%+v %v, want the port of the file and the level of the environment", c, err)
	}
}
