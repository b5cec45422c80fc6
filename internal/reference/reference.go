// Package reference writes the generated parts of the pages in docs/reference: configuration,
// commands, errors and metrics.
package reference

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fieldgate/internal/cli"
	"fieldgate/internal/config"
	"fieldgate/internal/metrics"
)

// folder contains the pages, below the module's root.
const folder = "docs/reference"

// parts returns the generated Markdown by page and by the name in the page's markers.
func parts() map[string]map[string]string {
	return map[string]map[string]string{
		"configuration.md": {"configuration": config.Table()},
		"commands.md":      {"commands": cli.Reference()},
		"errors.md":        {"codes": codesTable(), "reasons": reasonsTable()},
		"metrics.md":       {"metrics": metricsTable()},
	}
}

// metricsTable returns every metric, those of a server that sends mail included.
func metricsTable() string {
	backlog := func(context.Context) (metrics.Backlog, error) { return metrics.Backlog{}, nil }
	return metrics.New(metrics.Sources{Backlog: backlog}).Table()
}

// Pages returns each page as it should be, by its path below root: the page as it is, with the text
// between its markers replaced.
func Pages(root string) (map[string][]byte, error) {
	pages := map[string][]byte{}
	var failures []error
	for name, generated := range parts() {
		path := filepath.Join(folder, name)
		text, err := os.ReadFile(filepath.Join(root, path))
		for part, content := range generated {
			if err == nil {
				text, err = replace(text, part, content)
			}
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", path, err))
		}
		pages[path] = text
	}
	return pages, errors.Join(failures...)
}

// Write brings the pages below root up to date.
func Write(root string) error {
	pages, err := Pages(root)
	if err != nil {
		return err
	}
	for path, text := range pages {
		if err := os.WriteFile(filepath.Join(root, path), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// replace puts content between the markers of a part.
func replace(page []byte, part, content string) ([]byte, error) {
	begin, end := []byte("<!-- generated: "+part+" -->\n"), []byte("<!-- /generated: "+part+" -->\n")
	before, rest, hasBegin := bytes.Cut(page, begin)
	_, after, hasEnd := bytes.Cut(rest, end)
	if !hasBegin || !hasEnd {
		return nil, fmt.Errorf("it has no lines %q and %q", begin, end)
	}
	return bytes.Join([][]byte{before, begin, []byte(content), end, after}, nil), nil
}
