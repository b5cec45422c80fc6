package e2e

import (
	"regexp"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// The pages send nobody to where nothing is.
func TestPagesLinkToTheApplication(t *testing.T) {
	t.Parallel()
	const publicURL = "https://api.example.com"
	for _, row := range []struct {
		name string
		env  []string
		to   string // empty: nowhere
	}{
		{"in production, where / is nothing, to nothing", nil, ""},
		{"nor if APP_URL says that it is the server itself", []string{"APP_URL", "https://API.example.com:443/"}, ""},
		{"to an application of its own", []string{"APP_URL", "https://app.example.com"}, "https://app.example.com"},
		{"to an application at a path of the same origin", []string{"APP_URL", publicURL + "/app"}, publicURL + "/app"},
		{"to the playground, if it is there", []string{"PLAYGROUND", "true"}, publicURL},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t), append([]string{"ENV", "production", "PUBLIC_URL", publicURL}, row.env...)...)
			for _, path := range []string{"/verify-email", "/confirm-email", "/undo-email-change", "/reset-password"} {
				_, body := b.get(path)
				// The pages link to each other besides, as /reset-password.
				onward := regexp.MustCompile(`<a [^>]*href="(https?:[^"]*|/?)"`).FindStringSubmatch(body)
				switch {
				case row.to == "" && (onward != nil || !strings.Contains(body, "You can close this page.")):
					t.Errorf("%s leads to %q: %s", path, onward, body)
				case row.to != "" && (onward == nil || onward[1] != row.to || strings.Contains(body, "You can close")):
					t.Errorf("%s leads to %q, want %q", path, onward, row.to)
				}
			}
		})
	}
}
