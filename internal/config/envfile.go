package config

import (
	"errors"
	"os"
	"strings"
	"unicode"
)

// dotEnv is the file that a development server reads without being told to.
const dotEnv = ".env"

// Source is where variables are read from.
type Source struct {
	Lookup        func(name string) (string, bool)
	Names         []string // the variables of the file
	IgnoredDotEnv bool     // there is a file .env that was not read, because it was not named and ENV is production
}

// errProductionDotEnv keeps a production server whose ENV stands only in the file from starting as one of
// development, where the file is not.
var errProductionDotEnv = errors.New(".env says ENV=production, and only development reads a .env that is not named. Hint: name it: ENV_FILE=.env, or fieldgate --env-file .env")

// Find returns the environment, in which lookup finds variables, together with a file of settings: the one named, or
// else the one that ENV_FILE names, or else .env in the working directory, in development only. A file that is named
// must be there.
func Find(named string, lookup func(name string) (string, bool)) (Source, error) {
	variable := "--env-file"
	if named == "" {
		variable = "ENV_FILE"
		named, _ = lookup(variable)
		named = strings.TrimSpace(named)
	}
	if named != "" {
		if _, err := os.Stat(named); err != nil {
			return Source{}, &Error{Variable: variable, Value: named, Expected: "the name of a file of settings that can be read", Hint: "lines of it are NAME=value"}
		}
		return readSource(named, lookup)
	}
	if isProduction(lookup) {
		_, err := os.Stat(dotEnv)
		return Source{Lookup: lookup, IgnoredDotEnv: err == nil}, nil
	}
	s, err := readSource(dotEnv, lookup)
	if err != nil {
		return Source{}, err
	}
	alone, err := DotEnv(dotEnv, func(string) (string, bool) { return "", false })
	if err == nil && isProduction(alone) {
		err = errProductionDotEnv
	}
	return s, err
}

func readSource(file string, lookup func(string) (string, bool)) (Source, error) {
	both, err := DotEnv(file, lookup)
	return Source{Lookup: both, Names: DotEnvNames(file)}, err
}

func isProduction(lookup func(string) (string, bool)) bool {
	value, _ := lookup("ENV")
	return strings.EqualFold(strings.TrimSpace(value), "production")
}

// parseEnvFile checks what Find has used.
func parseEnvFile(c *Config, value string) *valueError {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return &valueError{"the name of a file", "it is read from the environment only: in a file it means nothing"}
	}
	c.EnvFile = value
	return nil
}
