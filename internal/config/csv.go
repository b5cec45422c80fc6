package config

import (
	"fmt"
	"slices"
	"strings"
)

// parseCSV reads a comma-separated list without duplicates and parses each element with read. An
// error names an element by its position, since an element may be a secret. noun names what the
// list holds, and hint is for a duplicate.
func parseCSV[T comparable](value, noun, hint string, read func(part string) (T, *valueError)) ([]T, *valueError) {
	parts := strings.Split(value, ",")
	list := make([]T, 0, len(parts))
	for i, part := range parts {
		item, invalid := read(part)
		switch {
		case strings.TrimSpace(part) == "" && len(parts) > 1:
			invalid = &valueError{"no empty element in the comma-separated list", "remove the extra comma"}
		case invalid == nil && slices.Contains(list, item):
			invalid = &valueError{"each " + noun + " once", hint}
		}
		if invalid == nil {
			list = append(list, item)
			continue
		}
		if len(parts) > 1 {
			invalid.expected += fmt.Sprintf(" (%s %d of %d)", noun, i+1, len(parts))
		}
		return nil, invalid
	}
	return list, nil
}
