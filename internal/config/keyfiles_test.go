package config

import (
	"path/filepath"
	"strings"
	"testing"
)

const signsAndVerify = "Hint: the first key signs, all keys verify; to rotate, put the new file first"

var keyFileSamples = samples{
	of: func(c *Config) any { return filepath.ToSlash(strings.Join(c.JWTPrivateKeyFiles, " and ")) },
	rows: []sample{
		{name: "a file", value: "fieldgate.pem", want: "fieldgate.pem"},
		{name: "an absolute one, with a space in its name", value: "/run/secrets/signing key", want: "/run/secrets/signing key"},
		{name: "a list", value: "new.pem,old.pem", want: "new.pem and old.pem"},
		{name: "a list with white space", value: " new.pem ,\told.pem\n", want: "new.pem and old.pem"},
		{name: "a list over several lines", value: "new.pem,\n  old.pem", want: "new.pem and old.pem"},
		{name: "a path that is not clean", value: "./keys//new.pem", want: "keys/new.pem"},
		{name: "nothing", value: "", want: ""},
		{name: "a comma at the end", value: "new.pem,", err: badKeyFiles(`"new.pem,"`, "no empty element in the comma-separated list (file 2 of 2). Hint: remove the extra comma")},
		{name: "nothing but white space between commas", value: "new.pem, ,old.pem", err: badKeyFiles(`"new.pem, ,old.pem"`, "no empty element in the comma-separated list (file 2 of 3). Hint: remove the extra comma")},
		{name: "the same twice", value: "a.pem,b.pem,./a.pem", err: badKeyFiles(`"a.pem,b.pem,./a.pem"`, "each file once (file 3 of 3). "+signsAndVerify)},
		{name: "a key in place of its name", value: "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n", err: badKeyFiles("(not shown)", keyItself)},
		{name: "a key on one line", value: `-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n`, err: badKeyFiles("(not shown)", keyItself)},
		{name: "a key without its first and last line", value: "MC4CAQ\nAwBQYD", err: badKeyFiles("(not shown)", keyItself)},
	},
}

const keyItself = "the names of PEM files, not the keys themselves. Hint: write the key to a file that only the server can read, and put the file's name here"

func badKeyFiles(value, expected string) string {
	return "JWT_PRIVATE_KEY_FILES: " + value + " is not usable: expected " + expected
}

// A missing file is reported by the code that opens it.
func TestKeyFilesAreNotOpened(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	if _, err := Load(env{"JWT_PRIVATE_KEY_FILES": missing}.lookup); err != nil {
		t.Error(err)
	}
}

var breachedSamples = samples{
	of: func(c *Config) any { return c.BreachedPasswords },
	rows: []sample{
		{name: "a file", value: "/var/lib/fieldgate//breached.bin", want: "/var/lib/fieldgate/breached.bin"},
		{name: "nothing", value: "", want: ""},
		{
			name: "a line break", value: "breached.bin\nx",
			err: `BREACHED_PASSWORDS: "breached.bin\nx" is not usable: expected the name of a file. Hint: create it with: fieldgate passwords build`,
		},
	},
}
