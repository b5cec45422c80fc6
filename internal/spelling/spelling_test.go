package spelling_test

import (
	"testing"

	"fieldgate/internal/spelling"
)

func TestDistanceCountsEdits(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"serve", "serve", 0},
		{"serv", "serve", 1},
		{"srever", "server", 1},
		{"JTW_SECRET", "JWT_SECRET", 1},
		{"kitten", "sitting", 3},
		{"ä", "a", 1},
	} {
		if got := spelling.Distance(row.a, row.b); got != row.want {
			t.Errorf("%q to %q: got %d, want %d", row.a, row.b, got, row.want)
		}
	}
}

func TestClosestReturnsNearestWord(t *testing.T) {
	t.Parallel()
	known := []string{"serve", "migrate", "user", "keys", "policy", "version"}
	for word, want := range map[string]string{
		"serv": "serve", "server": "serve", "migration": "migrate", "users": "user", "key": "keys", "polciy": "policy",
		"": "", "x": "", "start": "", "list": "",
	} {
		if got := spelling.Closest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
