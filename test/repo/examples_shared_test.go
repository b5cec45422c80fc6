package repo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamplesShareTheirText checks that files of both examples are identical. Each example is
// complete, so that it can be copied.
func TestExamplesShareTheirText(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		".gitignore", ".npmrc", "generate.mjs", "index.html", "tsconfig.json", "vite.config.ts",
		"src/factor-form.tsx", "src/fake-server.ts", "src/form.tsx", "src/main.tsx", "src/operations.graphql", "src/qr-code.tsx",
		"src/recovery-codes.tsx", "src/session.test.ts", "src/step-up-dialog.tsx", "src/step-up.test.ts", "src/step-up.ts", "src/style.css", "src/totp-setup.tsx",
	} {
		if a, b := exampleText(t, "apollo", file), exampleText(t, "urql", file); a != b {
			t.Errorf("%s differs between examples/apollo and examples/urql", file)
		}
	}
	session := func(example string) string {
		_, text, _ := strings.Cut(exampleText(t, example, "src/session.ts"), "// ==== The session.")
		text, _, _ = strings.Cut(text, "// ==== The ")
		return text
	}
	if a := session("apollo"); a == "" || a != session("urql") {
		t.Error("the session code in src/session.ts differs between the examples")
	}
}

func exampleText(t *testing.T, example, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("examples", example, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
