package config

import (
	"errors"
	"os"
	"strings"
	"unicode"
)

// dotEnv is the file that a development server reads by default.
const dotEnv = ".env"

// Source is where variables are read from.
type Source struct {
	Lookup        func(name string) (string, bool)
	Names         []string // the names of the variables in the file
	IgnoredDotEnv bool     // production did not read a .env that is not named
}

// errProductionDotEnv stops a production server whose ENV is set only in .env. Without the file,
// that server would start in development mode.
var errProductionDotEnv = errors.New(".env sets ENV=production, but production does not read .env unless it is named. Hint: ENV_FILE=.env, or fieldgate --env-file .env")

// Find returns the environment, as lookup reads it, combined with a settings file. The file is
// name, unless that is empty, or else the one that ENV_FILE names, or else .env in the working
// directory, in development only. A named file must exist.
func Find(name string, lookup func(name string) (string, bool)) (Source, error) {
	variable := "--env-file"
	if name == "" {
		variable = "ENV_FILE"
		name, _ = lookup(variable)
		name = strings.TrimSpace(name)
	}
	if name != "" {
		if _, err := os.Stat(name); err != nil {
			return Source{}, &Error{Variable: variable, Value: name, Expected: "the name of a readable settings file", Hint: "its lines have the form NAME=value"}
		}
		return readSource(name, lookup)
	}
	if isProduction(lookup) {
		_, err := os.Stat(dotEnv)
		return Source{Lookup: lookup, IgnoredDotEnv: err == nil}, nil
	}
	s, err := readSource(dotEnv, lookup)
	if err != nil {
		return Source{}, err
	}
	fileOnly, err := DotEnv(dotEnv, func(string) (string, bool) { return "", false })
	if err == nil && isProduction(fileOnly) {
		err = errProductionDotEnv
	}
	return s, err
}

func readSource(file string, lookup func(string) (string, bool)) (Source, error) {
	combined, err := DotEnv(file, lookup)
	return Source{Lookup: combined, Names: DotEnvNames(file)}, err
}

func isProduction(lookup func(string) (string, bool)) bool {
	value, _ := lookup("ENV")
	return strings.EqualFold(strings.TrimSpace(value), "production")
}

// parseEnvFile only checks the value: Find has read the file already.
func parseEnvFile(c *Config, value string) *valueError {
	if strings.ContainsFunc(value, unicode.IsControl) {
		return &valueError{
			"the name of a file",
			"ENV_FILE is read from the environment only; inside a file it has no effect",
		}
	}
	c.EnvFile = value
	return nil
}
