package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	"fieldgate/internal/cli"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/doctor"
	"fieldgate/servertest"
)

const mistypedValue = "a secret under a mistyped name"

func TestServerWarnsOfMistypedVariables(t *testing.T) {
	t.Parallel()
	cmd := servertest.Command(t, dbtest.SQLite(t), "JTW_SECRET="+mistypedValue, "API_URL="+mistypedValue)
	if err := os.WriteFile(cmd.Dir+"/.env", []byte("CORS_ORIGIN="+mistypedValue+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, _ := startServer(t, cmd)
	var warned []string
	for _, line := range b.Log.Records(b.t) {
		if line["msg"] == "unknown environment variable" {
			warned = append(warned, line["level"].(string)+" "+line["name"].(string)+" "+line["did_you_mean"].(string))
		}
	}
	if !slices.Equal(warned, []string{"WARN CORS_ORIGIN CORS_ORIGINS", "WARN JTW_SECRET JWT_SECRET"}) {
		t.Errorf("got the warnings %q", warned)
	}
	if strings.Contains(b.Log.String(), mistypedValue) {
		t.Error("the log contains the value")
	}
}

func TestInvalidConfigurationNamesMistypedVariables(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"ENV": "production", "PUBLIC_URL": "https://api.example.com", "DATABASE_URL": dbtest.SQLite(t), "JTW_SECRET": mistypedValue,
	}
	status, _, stderr := servertest.RunCLI(t, env, "", "serve")
	if status != cli.StatusFailed || !strings.Contains(stderr, "JWT_SECRET: not set") || !strings.Contains(stderr, "JTW_SECRET: not a Fieldgate variable") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	status, findings := runDoctor(t, env)
	if status != 1 || !slices.ContainsFunc(findings, isMistypedWarning) {
		t.Errorf("status %d and findings %v, want 1 and a warning about JTW_SECRET", status, findings)
	}
	if strings.Contains(stderr, mistypedValue) {
		t.Error("the error shows the value")
	}
}

func TestDoctorWarnsOfMistypedVariables(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": dbtest.SQLite(t), "JTW_SECRET": mistypedValue, "PATH": "/bin", "API_URL": "x"}
	_, findings := runDoctor(t, env)
	n := 0
	for _, f := range findings {
		if isMistypedWarning(f) {
			n++
		}
		if strings.Contains(f.Message+f.Fix, mistypedValue) || strings.Contains(f.Message, "API_URL") {
			t.Errorf("%+v", f)
		}
	}
	if n != 1 {
		t.Errorf("%d findings about JTW_SECRET, want 1: %v", n, findings)
	}
}

func isMistypedWarning(f doctor.Finding) bool {
	return f.ID == "configuration.unknown" && f.Level == doctor.Warning && strings.Contains(f.Message, "JTW_SECRET") && strings.Contains(f.Fix, "JWT_SECRET")
}
