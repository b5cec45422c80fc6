package config

import (
	"fmt"
	"slices"
	"strings"
)

// parseCSV reads a list of which each part is read by itself, and is there once. An error says which part is
// meant by its number, since a part may be a secret; noun is what the list is of.
func parseCSV[T comparable](value, noun, twice string, read func(part string) (T, *valueError)) ([]T, *valueError) {
	parts := strings.Split(value, ",")
	list := make([]T, 0, len(parts))
	for i, part := range parts {
		item, bad := read(part)
		switch {
		case strings.TrimSpace(part) == "" && len(parts) > 1:
			bad = &valueError{"no empty place in the comma list", "take away the comma that is too many"}
		case bad == nil && slices.Contains(list, item):
			bad = &valueError{"each " + noun + " once", twice}
		}
		if bad == nil {
			list = append(list, item)
			continue
		}
		if len(parts) > 1 {
			bad.expected += fmt.Sprintf(" (%s %d of %d)", noun, i+1, len(parts))
		}
		return nil, bad
	}
	return list, nil
}
