package config

import (
	"strings"
	"testing"
)

func TestErrorIsOneLine(t *testing.T) {
	tests := []struct {
		name string
		err  Error
		want string
	}{
		{"a value", Error{"A", "b", "c", "d"}, `A: "b" is not usable: expected c. Hint: d`},
		{"no value", Error{"A", "", "c", "d"}, `A: not set: expected c. Hint: d`},
		{"a value that is not shown", Error{"A", "(not shown)", "c", "d"}, `A: (not shown) is not usable: expected c. Hint: d`},
		{"no hint", Error{"A", "b", "c", ""}, `A: "b" is not usable: expected c`},
		{"control characters", Error{"A", "b\r\n\x00\x1b\u0085\u2028", "c", ""}, `A: "b\r\n\x00\x1b\u0085\u2028" is not usable: expected c`},
		{"80 characters", Error{"A", strings.Repeat("é", 80), "c", ""}, `A: "` + strings.Repeat("é", 80) + `" is not usable: expected c`},
		{"81 characters", Error{"A", strings.Repeat("é", 81), "c", ""}, `A: "` + strings.Repeat("é", 80) + `…" is not usable: expected c`},
		{"81 bytes of invalid UTF-8", Error{"A", strings.Repeat("\xff", 81), "c", ""}, `A: "` + strings.Repeat(`\xff`, 80) + `…" is not usable: expected c`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
