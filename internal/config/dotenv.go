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

// DotEnv returns a lookup that tries lookup first and then the .env file at path. A value of lookup
// wins, even an empty one. The file is read once, now. A missing file is not an error.
//
// The file has lines of the form NAME=value, with # for comments and quotes where a value needs
// them. A $ has no special meaning. Expanding variables would silently remove a part of a secret
// that contains a $.
//
// The error for an unreadable file or a malformed line names the file and the line. It never quotes
// the line.
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

// DotEnvNames returns the variable names in the .env file at path. It returns none if the file
// cannot be read: DotEnv reports that error.
func DotEnvNames(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	file, _ := parseDotEnv(string(bytes.TrimPrefix(text, []byte(byteOrderMark))))
	return slices.Collect(maps.Keys(file))
}

// byteOrderMark is written by some editors. It does not belong to the first name.
const byteOrderMark = "\ufeff"

var (
	errMalformed = errors.New("expected NAME=value. Hint: put a value with spaces, quotes or # into single quotes")

	namePattern = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.]*$`)
)

// parseDotEnv returns errMalformed and no details, because godotenv's errors quote the file,
// including secrets.
func parseDotEnv(text string) (map[string]string, error) {
	// godotenv expands $NAME, to nothing if it does not know the name. So it sees another character
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
		if !namePattern.MatchString(name) { // godotenv accepts "A B=1", and a last line without =
			return nil, errMalformed
		}
		file[name] = strings.ReplaceAll(value, dollar, "$")
	}
	return file, nil
}

// malformedLine returns the line, counted from 1, on which the first malformed statement begins.
// That line follows the longest prefix of the text that parses. The shortest prefix that does not
// parse would be wrong: a quoted value may span lines, and the prefix may cut it in two.
func malformedLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := parseDotEnv(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}
