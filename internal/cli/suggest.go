package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"fieldgate/internal/spelling"
)

// unknownCommand returns the error for a word that is not a command, with a suggestion.
func unknownCommand(cmd *cli.Command, word string) error {
	kind := "command"
	if len(commandNames(cmd)) == 0 {
		kind = "argument"
	}
	return usagef("unknown %s %q.%s Hint: %s --help", kind, word, suggestCommand(cmd, word), cmd.FullName())
}

// suggestCommand returns " Did you mean …?" with a command of this group or of one of its
// subgroups, or "".
func suggestCommand(cmd *cli.Command, word string) string {
	if closest := spelling.Closest(word, commandNames(cmd)); closest != "" {
		return didYouMean(cmd.FullName() + " " + closest)
	}
	for _, group := range cmd.Commands { // as in "fieldgate list"
		if !group.Hidden && slices.Contains(commandNames(group), word) {
			return didYouMean(group.FullName() + " " + word)
		}
	}
	return ""
}

func commandNames(cmd *cli.Command) (names []string) {
	for _, sub := range cmd.Commands {
		if !sub.Hidden {
			names = append(names, sub.Names()...)
		}
	}
	return names
}

// suggestFlag returns " Did you mean …?" with a flag of cmd, or "". err is the library's error,
// which ends with the unknown flag.
func suggestFlag(cmd *cli.Command, err error) string {
	_, flag, ok := strings.Cut(err.Error(), "flag provided but not defined: ")
	if !ok {
		return ""
	}
	names := []string{"help"}
	for _, f := range cmd.VisibleFlags() {
		names = append(names, f.Names()...)
	}
	if closest := spelling.Closest(strings.TrimLeft(flag, "-"), names); closest != "" {
		return didYouMean("--" + closest)
	}
	return ""
}

func didYouMean(text string) string { return " Did you mean " + text + "?" }
