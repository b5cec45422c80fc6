package e2e

import (
	"regexp"
	"strings"
	"testing"

	"fieldgate/internal/dbtest"
)

// TestPagesLinkToTheApplication checks that the pages that mails link to lead to the application,
// or nowhere if none is configured.
func TestPagesLinkToTheApplication(t *testing.T) {
	t.Parallel()
	const publicURL = "https://api.example.com"
	for _, row := range []struct {
		name string
		env  []string
		to   string // "": no link
	}{
		{"no link in production, where / has no page", nil, ""},
		{"no link if APP_URL is the server itself", []string{"APP_URL", "https://API.example.com:443/"}, ""},
		{"an application at another origin", []string{"APP_URL", "https://app.example.com"}, "https://app.example.com"},
		{"an application at a path of the same origin", []string{"APP_URL", publicURL + "/app"}, publicURL + "/app"},
		{"the playground if it is on", []string{"PLAYGROUND", "true"}, publicURL},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t), append([]string{"ENV", "production", "PUBLIC_URL", publicURL}, row.env...)...)
			for _, path := range []string{"/verify-email", "/confirm-email", "/undo-email-change", "/reset-password"} {
				_, body := b.get(path)
				// The pages also link to each other, for example to /reset-password.
				onward := regexp.MustCompile(`<a [^>]*href="(https?:[^"]*|/?)"`).FindStringSubmatch(body)
				switch {
				case row.to == "" && (onward != nil || !strings.Contains(body, "You can close this page.")):
					t.Errorf("%s links to %q, want no link and the closing sentence: %s", path, onward, body)
				case row.to != "" && (onward == nil || onward[1] != row.to || strings.Contains(body, "You can close")):
					t.Errorf("%s links to %q, want %q", path, onward, row.to)
				}
			}
		})
	}
}
