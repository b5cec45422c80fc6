package cli

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"fieldgate/internal/spelling"
)

// unknownCommand is the error for a word that is no command, with the command that was probably meant.
func unknownCommand(cmd *cli.Command, word string) error {
	what := "command"
	if len(commandNames(cmd)) == 0 {
		what = "argument"
	}
	return usagef("no %s %q here.%s Hint: %s --help", what, word, suggestCommand(cmd, word), cmd.FullName())
}

// suggestCommand is " Did you mean …?" with a command of this group or of a group below it, or "".
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

// suggestFlag is the same for a flag: err is the library's, which ends with the flag that there is not.
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
