package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// DotEnv returns a lookup that asks lookup first and then the .env file at path. What lookup has wins, also when it is
// set to nothing. The file is read once, now; that there is none is fine.
//
// The file has lines of the form NAME=value, with # for a comment and quotes where a value needs them. A $ is just a
// character: a value with other variables in it would be an option, but a secret that silently loses a part is not.
//
// The error for a file that cannot be read, or that has a malformed line, names the file and the line and shows nothing
// of what stands there.
func DotEnv(path string, lookup func(name string) (string, bool)) (func(name string) (string, bool), error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return lookup, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	file, err := parseDotEnv(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: line %d: %w", path, malformedLine(string(text)), err)
	}
	return func(name string) (string, bool) {
		if value, ok := lookup(name); ok {
			return value, true
		}
		value, ok := file[name]
		return value, ok
	}, nil
}

// DotEnvNames returns the names in the .env file at path: none if it cannot be read, which DotEnv says.
func DotEnvNames(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	file, _ := parseDotEnv(string(bytes.TrimPrefix(text, []byte(byteOrderMark))))
	return slices.Collect(maps.Keys(file))
}

// byteOrderMark is written by some editors, and no part of the first name.
const byteOrderMark = "\ufeff"

var (
	errMalformed = errors.New("expected NAME=value. Hint: put a value with spaces, quotes or # into single quotes")

	namePattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.]*$`)
)

// parseDotEnv returns errMalformed and nothing more precise: godotenv's errors quote the file, secrets included.
func parseDotEnv(text string) (map[string]string, error) {
	// godotenv replaces $NAME, by nothing if it does not know the name, so it gets to see another character
	// instead: one that no environment can hold.
	const dollar = "\x00"
	if strings.Contains(text, dollar) {
		return nil, errMalformed
	}
	file, err := godotenv.Unmarshal(strings.ReplaceAll(text, "$", dollar))
	if err != nil {
		return nil, errMalformed
	}
	for name, value := range file {
		if !namePattern.MatchString(name) { // godotenv takes "A B=1", and a last line without =
			return nil, errMalformed
		}
		file[name] = strings.ReplaceAll(value, dollar, "$")
	}
	return file, nil
}

// malformedLine returns the line, counted from 1, on which the first malformed statement begins: the one after the
// longest beginning of the text that can be parsed. A quoted value may go over several lines, so the shortest
// beginning that cannot be parsed may be a good one cut in two.
func malformedLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := parseDotEnv(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}
