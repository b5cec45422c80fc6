package cli

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/urfave/cli/v3"
)

// Reference returns every command with its arguments and options as Markdown, for
// docs/reference/commands.md.
func Reference() string {
	var overview, sections strings.Builder
	overview.WriteString("| command | effect |\n|---|---|\n")
	root := Console{}.command()
	writeCommand(&overview, &sections, root, root.Name)
	return overview.String() + sections.String()
}

// writeCommand writes a row and a section for cmd, then for each of its subcommands. A group of
// commands has neither, because it only prints help.
func writeCommand(overview, sections *strings.Builder, cmd *cli.Command, path string) {
	isGroup := path != "fieldgate" && len(cmd.Flags) == 0 && len(cmd.Commands) > 0
	if !isGroup {
		title := strings.TrimSpace(path + " " + cmd.ArgsUsage)
		anchor := strings.ToLower(strings.ReplaceAll(title, " ", "-"))
		fmt.Fprintf(overview, "| [`%s`](#%s) | %s |\n", title, anchor, cmd.Usage)
		fmt.Fprintf(sections, "\n## %s\n\n%s.\n", title, capitalized(cmd.Usage))
		sections.WriteString(markdown(cmd.Description))
		writeFlags(sections, cmd.Flags)
	}
	for _, sub := range cmd.Commands {
		writeCommand(overview, sections, sub, path+" "+sub.Name)
	}
}

// markdown turns a description into Markdown: indented lines are examples.
func markdown(description string) string {
	var b strings.Builder
	inExample := false
	for _, line := range strings.Split(description, "\n") {
		example := strings.HasPrefix(line, "   ")
		switch {
		case example && !inExample:
			b.WriteString("\n```sh\n")
		case !example && inExample:
			b.WriteString("```\n")
		case b.Len() == 0 && line != "":
			b.WriteString("\n")
		}
		inExample = example
		b.WriteString(strings.TrimPrefix(line, "   ") + "\n")
	}
	if inExample {
		b.WriteString("```\n")
	}
	return strings.ReplaceAll(b.String(), "\n\n\n", "\n\n")
}

var placeholder = regexp.MustCompile("`([A-Z]+)`")

func writeFlags(b *strings.Builder, flags []cli.Flag) {
	if len(flags) == 0 {
		return
	}
	b.WriteString("\n| option | default | effect |\n|---|---|---|\n")
	for _, flag := range flags {
		documented, ok := flag.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		name, value, usage := "--"+flag.Names()[0], "", documented.GetUsage()
		if documented.TakesValue() {
			name += " " + strings.ToUpper(strings.ReplaceAll(flag.Names()[0], "-", "_"))
			if match := placeholder.FindStringSubmatch(usage); match != nil {
				name = "--" + flag.Names()[0] + " " + match[1]
			}
			value = strings.Trim(documented.GetValue(), `"`)
		}
		if required, ok := flag.(cli.RequiredFlag); ok && required.IsRequired() {
			value = "required"
		} else if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, value, placeholder.ReplaceAllString(usage, "$1"))
	}
}

func capitalized(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
