package repo

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"fieldgate/internal/config"
	"fieldgate/internal/repotest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

// variableNames returns the names of all variables that the server reads.
func variableNames() (names []string) {
	for _, match := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)`").FindAllStringSubmatch(config.Table(), -1) {
		names = append(names, match[1])
	}
	return names
}

func fileText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	repotest.NoError(t, err)
	return string(b)
}

// loadProduction loads a configuration, which must be a production one.
func loadProduction(t *testing.T, env map[string]string) *config.Config {
	t.Helper()
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	repotest.NoError(t, err)
	if !cfg.Production {
		t.Error("the configuration is not for production")
	}
	return cfg
}

// composeService is the part of a service in compose.yaml that the tests check.
type composeService struct {
	Environment map[string]string
	Ports       []string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Restart     string
	Grace       string `yaml:"stop_grace_period"`
	Image       string
	Networks    []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
}

func composeServices(t *testing.T) map[string]composeService {
	t.Helper()
	var file struct{ Services map[string]composeService }
	repotest.NoError(t, yaml.Unmarshal([]byte(fileText(t, "compose.yaml")), &file))
	return file.Services
}

// composeValues are the values that docs/operations.md tells users to write into .env.
var composeValues = map[string]string{
	"PUBLIC_URL": "https://api.example.com", "JWT_SECRET": servertest.Secret, "MYSQL_PASSWORD": servertest.Secret[1:], "MYSQL_ROOT_PASSWORD": servertest.Secret[2:],
}

var interpolation = regexp.MustCompile(`\$\{([A-Z_]+)(:[?-])([^}]*)\}`)

// interpolate expands the variables of a value as Compose does with this .env.
func interpolate(t *testing.T, value string, values map[string]string) string {
	t.Helper()
	return interpolation.ReplaceAllStringFunc(value, func(expression string) string {
		part := interpolation.FindStringSubmatch(expression)
		if set := values[part[1]]; set != "" {
			return set
		}
		if part[2] == ":?" {
			t.Errorf("%s: %s", part[1], part[3])
			return ""
		}
		return part[3]
	})
}

// TestComposeConfiguresAProductionServer checks that Compose sets only existing variables and that
// a production server starts with the minimal .env and with all values.
func TestComposeConfiguresAProductionServer(t *testing.T) {
	t.Parallel()
	service := composeServices(t)["fieldgate"]
	more := maps.Clone(composeValues)
	maps.Copy(more, map[string]string{
		"PASSWORD_PEPPER": servertest.Secret[3:], "APP_URL": "https://app.example.com", "CORS_ORIGINS": "https://app.example.com",
		"SMTP_URL": "smtp://user:password@mail.example.com", "MAIL_FROM": "Example <no-reply@example.com>", "TRUSTED_PROXIES": "10.0.0.1",
	})
	for _, row := range []struct {
		name   string
		values map[string]string
		proxy  string
	}{
		{"the fewest values", composeValues, "172.30.31.1/32"},
		{"all values", more, "10.0.0.1/32"},
	} {
		env := map[string]string{}
		for name, value := range service.Environment {
			if !slices.Contains(variableNames(), name) {
				t.Errorf("%s is no variable of the server", name)
			}
			env[name] = interpolate(t, value, row.values)
		}
		cfg := loadProduction(t, env)
		if len(cfg.TrustedProxies) != 1 || cfg.TrustedProxies[0].String() != row.proxy || !strings.HasSuffix(cfg.DatabaseURL, "@mysql:3306/fieldgate") {
			t.Errorf("%s: proxies %v, database %s", row.name, cfg.TrustedProxies, cfg.DatabaseURL)
		}
		if !slices.Equal(service.Ports, []string{"127.0.0.1:8080" + cfg.Addr}) {
			t.Errorf("%s: the server listens at %s, but the published ports are %q", row.name, cfg.Addr, service.Ports)
		}
	}
}

// TestComposeHasNoSecret checks that the file contains no secret and that nothing starts without
// one.
func TestComposeHasNoSecret(t *testing.T) {
	t.Parallel()
	for name, service := range composeServices(t) {
		for variable, value := range service.Environment {
			if !regexp.MustCompile(`SECRET|PASSWORD|PEPPER|_URL$`).MatchString(variable) {
				continue
			}
			for _, part := range interpolation.FindAllStringSubmatch(value, -1) {
				if part[2] == ":-" && part[3] != "" {
					t.Errorf("%s: %s has the default value %q", name, variable, part[3])
				}
			}
			if strings.Contains(variable, "SECRET") || strings.Contains(variable, "PASSWORD") {
				if rest := interpolation.ReplaceAllString(value, ""); rest != "" {
					t.Errorf("%s: %s is %q", name, variable, value)
				}
			}
		}
	}
}

func TestComposeServicesAreHardened(t *testing.T) {
	t.Parallel()
	services := composeServices(t)
	for name, s := range services {
		grace, err := time.ParseDuration(s.Grace)
		if err != nil || grace <= server.DrainTimeout {
			t.Errorf("%s is killed %s after SIGTERM, and a stop may take %s", name, s.Grace, server.DrainTimeout)
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.Restart == "" {
			t.Errorf("%s is not restricted: %+v", name, s)
		}
		if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
			t.Errorf("%s: the image %s has no version", name, s.Image)
		}
	}
	if s := services["fieldgate"]; !s.ReadOnly || s.DependsOn["mysql"].Condition != "service_healthy" {
		t.Errorf("fieldgate: %+v", s)
	}
	if s := services["mysql"]; len(s.Ports) > 0 || !slices.Equal(s.Networks, []string{"data"}) {
		t.Errorf("mysql can be reached from other networks: %+v", s)
	}
}

// exampleLines returns the settings of deploy/fieldgate.env.example: active ones and commented
// ones.
func exampleLines(t *testing.T) (on, off []string) {
	t.Helper()
	for line := range strings.Lines(fileText(t, "deploy/fieldgate.env.example")) {
		line = strings.TrimSpace(line)
		if regexp.MustCompile(`^[A-Z_]+=`).MatchString(line) {
			on = append(on, line)
		} else if regexp.MustCompile(`^#[A-Z_]+=`).MatchString(line) {
			off = append(off, line[1:])
		}
	}
	return on, off
}

// TestEnvExampleHasEachSetting checks that the example has each variable, with values that a
// production server starts with.
func TestEnvExampleHasEachSetting(t *testing.T) {
	t.Parallel()
	on, off := exampleLines(t)
	read := func(lines ...string) map[string]string {
		path := filepath.Join(t.TempDir(), ".env")
		repotest.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
		lookup, err := config.DotEnv(path, func(string) (string, bool) { return "", false })
		repotest.NoError(t, err)
		env := map[string]string{}
		for _, name := range variableNames() {
			if value, ok := lookup(name); ok {
				env[name] = value
			}
		}
		return env
	}
	active := read(on...)
	active["JWT_SECRET"] = servertest.Secret
	loadProduction(t, active)

	all := read(append(slices.Clone(on), off...)...)
	for _, name := range variableNames() {
		if _, ok := all[name]; !ok {
			t.Errorf("deploy/fieldgate.env.example has no %s", name)
		}
	}
	for _, line := range append(slices.Clone(on), off...) {
		if name, _, _ := strings.Cut(line, "="); !slices.Contains(variableNames(), name) {
			t.Errorf("%s is no variable of the server", name)
		}
	}
	delete(all, "PORT") // ADDR is set instead
	all["JWT_SECRET"] = servertest.Secret
	loadProduction(t, all)
}

// TestOperationsExplainsEverySetting checks that docs/operations.md explains each setting of the
// deploy files.
func TestOperationsExplainsEverySetting(t *testing.T) {
	t.Parallel()
	page, table := fileText(t, "docs/operations.md"), fileText(t, "docs/reference/configuration.md")
	explained := func(name string) bool { return strings.Contains(page, "`"+name+"`") }
	for name, service := range composeServices(t) {
		for variable, value := range service.Environment {
			if !explained(variable) {
				t.Errorf("docs/operations.md does not explain %s, which compose.yaml sets for %s", variable, name)
			}
			for _, part := range interpolation.FindAllStringSubmatch(value, -1) {
				if !explained(part[1]) {
					t.Errorf("docs/operations.md does not explain %s, which compose.yaml takes from .env", part[1])
				}
			}
		}
	}
	on, off := exampleLines(t)
	for _, line := range append(on, off...) {
		if name, _, _ := strings.Cut(line, "="); !explained(name) {
			t.Errorf("docs/operations.md does not explain %s, which deploy/fieldgate.env.example contains", name)
		}
	}
	for _, name := range variableNames() {
		if !explained(name) && !strings.Contains(table, "`"+name+"`") {
			t.Errorf("no document explains %s", name)
		}
	}
}

// TestOperationsHasEverySection checks that each section that the doctor refers to exists.
func TestOperationsHasEverySection(t *testing.T) {
	t.Parallel()
	page := fileText(t, "docs/operations.md")
	for _, heading := range []string{"First start", "Settings", "Watching", "Backup and restore", "Rotating keys", "Upgrading", "Scaling out", "When things fail", "Sizing", "Incidents"} {
		if !strings.Contains(page, "\n## "+heading+"\n") {
			t.Errorf("docs/operations.md has no section %q", heading)
		}
	}
}

// unitSettings returns the values of each key in the systemd unit.
func unitSettings(t *testing.T) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	for line := range strings.Lines(fileText(t, "deploy/fieldgate.service")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

func TestSystemdUnitIsHardened(t *testing.T) {
	t.Parallel()
	settings := unitSettings(t)
	for name, want := range map[string]string{
		"User": "fieldgate", "StateDirectory": "fieldgate", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "CapabilityBoundingSet": "",
		"SystemCallFilter": "@system-service", "MemoryDenyWriteExecute": "yes", "Restart": "on-failure", "StartLimitIntervalSec": "0", "EnvironmentFile": "/etc/fieldgate/.env",
	} {
		if got := settings[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	stop, err := strconv.Atoi(strings.Join(settings["TimeoutStopSec"], ""))
	if err != nil || time.Duration(stop)*time.Second <= server.DrainTimeout {
		t.Errorf("the unit is killed %d s after SIGTERM, and a stop may take %s", stop, server.DrainTimeout)
	}
	if strings.Join(settings["ExecStart"], "") != "/usr/local/bin/fieldgate serve" {
		t.Errorf("ExecStart is %q", settings["ExecStart"])
	}
}

// TestSystemdAcceptsTheUnit runs systemd-analyze if the machine has it.
func TestSystemdAcceptsTheUnit(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze: TestSystemdUnitIsHardened checks the most important settings")
	}
	exe, err := os.Executable()
	repotest.NoError(t, err)
	unit := filepath.Join(t.TempDir(), "fieldgate.service")
	text := strings.Replace(fileText(t, "deploy/fieldgate.service"), "ExecStart=/usr/local/bin/fieldgate", "ExecStart="+exe, 1)
	repotest.NoError(t, os.WriteFile(unit, []byte(text), 0o600))
	for _, args := range [][]string{
		{"verify", "--man=no", unit},
		// An exposure of at most 2.0 of 10.
		{"security", "--offline=true", "--threshold=20", "--no-pager", unit},
	} {
		out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// instruction is an instruction of a Dockerfile, joined to one line.
type instruction struct{ name, rest string }

// dockerfile returns the instructions of each stage. The last stage is the image.
func dockerfile(t *testing.T) (stages [][]instruction) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(fileText(t, "Dockerfile"), "")
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "FROM" {
			stages = append(stages, nil)
		}
		if name != "" {
			last := len(stages) - 1
			stages[last] = append(stages[last], instruction{name, strings.TrimSpace(rest)})
		}
	}
	return stages
}

// lastInstruction returns the arguments of the last instruction with a name in a stage, or "".
func lastInstruction(stage []instruction, name string) (rest string) {
	for _, i := range stage {
		if i.name == name {
			rest = i.rest
		}
	}
	return rest
}

func TestDockerfilePinsImagesAndRunsUnprivileged(t *testing.T) {
	t.Parallel()
	stages := dockerfile(t)
	if len(stages) != 3 {
		t.Fatalf("%d stages, want 3", len(stages))
	}
	for _, stage := range stages {
		image := regexp.MustCompile(`\S+:\S+`).FindString(lastInstruction(stage, "FROM"))
		if image == "" || strings.HasSuffix(image, ":latest") {
			t.Errorf("FROM %s has no version", lastInstruction(stage, "FROM"))
		}
	}
	image := stages[2]
	for name, want := range map[string]string{"USER": "65532:65532", "STOPSIGNAL": "SIGTERM", "EXPOSE": "8080", "CMD": `["serve"]`, "WORKDIR": "/data"} {
		if got := lastInstruction(image, name); got != want {
			t.Errorf("%s %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{"node": nodeVersion(t), "golang": goVersion(t)} {
		if !strings.Contains(fileText(t, "Dockerfile"), " "+name+":"+want+"-") {
			t.Errorf("the Dockerfile does not use %s %s", name, want)
		}
	}
}

// nodeVersion returns the major version of Node that the Dockerfile must use. It fails if the
// playground requires a newer one.
func nodeVersion(t *testing.T) string {
	t.Helper()
	var p struct{ Engines struct{ Node string } }
	repotest.NoError(t, json.Unmarshal([]byte(fileText(t, "playground/package.json")), &p))
	if !strings.HasPrefix(p.Engines.Node, ">=20.") {
		t.Errorf("the playground requires Node %s: check the version in the Dockerfile", p.Engines.Node)
	}
	return "22"
}

// goVersion returns the Go version of go.mod without the patch.
func goVersion(t *testing.T) string {
	t.Helper()
	return regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(fileText(t, "go.mod"))[1]
}
