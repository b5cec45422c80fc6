package deploy

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"fieldgate/internal/config"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/programtest"
)

// object is the part of a Kubernetes object that these tests check. test/kubernetes decodes
// complete objects strictly.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Selector    any // labels, or matchLabels
		PodSelector any `yaml:"podSelector"`
		Template    struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
		Ports []struct {
			TargetPort string `yaml:"targetPort"`
		}
	}
}

type pod struct {
	AutomountServiceAccountToken *bool `yaml:"automountServiceAccountToken"`
	EnableServiceLinks           *bool `yaml:"enableServiceLinks"`
	Grace                        int   `yaml:"terminationGracePeriodSeconds"`
	SecurityContext              struct {
		RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
		RunAsUser      int                   `yaml:"runAsUser"`
		FSGroup        int                   `yaml:"fsGroup"`
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Spread []struct {
		LabelSelector any `yaml:"labelSelector"`
	} `yaml:"topologySpreadConstraints"`
	Containers []container
	Volumes    []struct {
		Name   string
		Secret struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode int    `yaml:"defaultMode"`
		}
		EmptyDir map[string]string `yaml:"emptyDir"`
	}
}

type container struct {
	Name, Image string
	Args        []string
	EnvFrom     []struct {
		ConfigMapRef struct{ Name string } `yaml:"configMapRef"`
	} `yaml:"envFrom"`
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	Startup   probe `yaml:"startupProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	Resources       struct{ Requests, Limits map[string]string }
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	Period  int                         `yaml:"periodSeconds"`
	Timeout int                         `yaml:"timeoutSeconds"`
}

// loadManifests returns the objects of deploy/kubernetes by kind.
func loadManifests(t *testing.T) map[string]object {
	t.Helper()
	names, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	noError(t, err)
	objects := map[string]object{}
	for _, name := range names {
		for d := yaml.NewDecoder(strings.NewReader(readRepoFile(t, strings.TrimPrefix(filepath.ToSlash(name), "../../")))); ; {
			var o object
			if err := d.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, twice := objects[o.Kind]; twice {
				t.Fatalf("two objects of kind %s", o.Kind)
			}
			objects[o.Kind] = o
		}
	}
	for _, kind := range []string{"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "Job"} {
		if objects[kind].Kind == "" {
			t.Fatalf("no %s in %q", kind, names)
		}
	}
	return objects
}

// selectorLabels returns the labels of a selector, with or without matchLabels.
func selectorLabels(selector any) map[string]string {
	m, _ := selector.(map[string]any)
	if inner, ok := m["matchLabels"].(map[string]any); ok {
		m = inner
	}
	result := map[string]string{}
	for name, value := range m {
		result[name], _ = value.(string)
	}
	return result
}

func TestKubernetesSelectorsMatchOnlyTheServers(t *testing.T) {
	t.Parallel()
	objects := loadManifests(t)
	servers := objects["Deployment"].Spec.Template.Metadata.Labels
	selectors := map[string]any{
		"Deployment": objects["Deployment"].Spec.Selector, "Service": objects["Service"].Spec.Selector,
		"PodDisruptionBudget": objects["PodDisruptionBudget"].Spec.Selector, "NetworkPolicy": objects["NetworkPolicy"].Spec.PodSelector,
	}
	for _, constraint := range objects["Deployment"].Spec.Template.Spec.Spread {
		selectors["topologySpreadConstraints"] = constraint.LabelSelector
	}
	for name, selector := range selectors {
		if !maps.Equal(selectorLabels(selector), servers) {
			t.Errorf("%s selects %v, want the servers' %v", name, selectorLabels(selector), servers)
		}
	}
	if maps.Equal(objects["Job"].Spec.Template.Metadata.Labels, servers) {
		t.Error("the Service would send requests to the migration Job")
	}
}

func TestKubernetesPodsAreRestricted(t *testing.T) {
	t.Parallel()
	objects := loadManifests(t)
	for _, kind := range []string{"Deployment", "Job"} {
		p := objects[kind].Spec.Template.Spec
		c := p.Containers[0]
		s := p.SecurityContext
		if len(p.Containers) != 1 || !s.RunAsNonRoot || s.RunAsUser != 65532 || s.FSGroup != 65532 || s.SeccompProfile.Type != "RuntimeDefault" {
			t.Errorf("%s: the pod's securityContext is %+v", kind, s)
		}
		if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken || p.EnableServiceLinks == nil || *p.EnableServiceLinks {
			t.Errorf("%s mounts a service account token or gets service environment variables", kind)
		}
		if escalation := c.SecurityContext.AllowPrivilegeEscalation; escalation == nil || *escalation || !c.SecurityContext.ReadOnlyRootFilesystem ||
			!slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("%s: the container's securityContext is %+v", kind, c.SecurityContext)
		}
		if c.Resources.Limits["memory"] == "" || c.Resources.Requests["cpu"] == "" || c.Resources.Requests["memory"] == "" {
			t.Errorf("%s: resources %+v", kind, c.Resources)
		}
		if c.Image != objects["Deployment"].Spec.Template.Spec.Containers[0].Image || !regexp.MustCompile(`:v\d`).MatchString(c.Image) {
			t.Errorf("%s: image %s", kind, c.Image)
		}
		if len(c.EnvFrom) != 1 || c.EnvFrom[0].ConfigMapRef.Name != objects["ConfigMap"].Metadata.Name {
			t.Errorf("%s: envFrom %+v", kind, c.EnvFrom)
		}
		for _, v := range p.Volumes {
			if v.Secret.SecretName != "" && v.Secret.DefaultMode&0o007 != 0 {
				t.Errorf("%s: the mode of the secrets is %o", kind, v.Secret.DefaultMode)
			}
		}
	}
	if cpu := objects["Deployment"].Spec.Template.Spec.Containers[0].Resources.Limits["cpu"]; !regexp.MustCompile(`^[2-9]$`).MatchString(cpu) {
		t.Errorf("the limit is %s processors, want a whole number of at least 2", cpu)
	}
}

// secretsDir returns the directory at which a workload mounts its secrets.
func secretsDir(t *testing.T, o object) (directory string) {
	t.Helper()
	p := o.Spec.Template.Spec
	for _, mount := range p.Containers[0].VolumeMounts {
		for _, v := range p.Volumes {
			if v.Name == mount.Name && v.Secret.SecretName != "" {
				directory = mount.MountPath
				if !mount.ReadOnly {
					t.Errorf("%s can write its secrets", o.Kind)
				}
			}
		}
	}
	return directory
}

// kubernetesSettings returns the variables of the ConfigMap as NAME=value. It writes the secrets to
// files.
func kubernetesSettings(t *testing.T, binary string, objects map[string]object, databaseURL string) (env []string) {
	t.Helper()
	secrets := dbtest.Directory(t)
	noError(t, os.WriteFile(filepath.Join(secrets, "fieldgate.env"),
		// Readable by the user that servers run as.
		[]byte("DATABASE_URL='"+databaseURL+"'\nPASSWORD_PEPPER="+programtest.Secret+"\n"), 0o644))
	key, err := exec.CommandContext(t.Context(), binary, "keys", "ed25519").Output()
	noError(t, err)
	noError(t, os.WriteFile(filepath.Join(secrets, "jwt.pem"), key, 0o644))
	for name, value := range objects["ConfigMap"].Data {
		env = append(env, name+"="+strings.ReplaceAll(value, "/etc/fieldgate/", secrets+"/"))
	}
	return env
}

func TestKubernetesConfiguresAProductionServer(t *testing.T) {
	t.Parallel()
	objects := loadManifests(t)
	data := objects["ConfigMap"].Data
	for name := range data {
		// GOMEMLIMIT is for Go.
		if !strings.Contains(config.Table(), "| `"+name+"` |") && name != "GOMEMLIMIT" {
			t.Errorf("%s is no variable of the server", name)
		}
	}
	for _, kind := range []string{"Deployment", "Job"} {
		for _, name := range []string{"ENV_FILE", "JWT_PRIVATE_KEY_FILES"} {
			if filepath.Dir(data[name]) != secretsDir(t, objects[kind]) {
				t.Errorf("%s: %s is %s, but the secrets are in %s", kind, name, data[name], secretsDir(t, objects[kind]))
			}
		}
	}
	cfg, err := config.Load(func(name string) (string, bool) {
		if name == "DATABASE_URL" {
			return "mysql://fieldgate:password@db.example.com:3306/fieldgate?tls=true", true
		}
		value, ok := data[name]
		return value, ok
	})
	noError(t, err)
	if !cfg.Production || cfg.AutoMigrate || len(cfg.TrustedProxies) == 0 {
		t.Errorf("production %t, AUTO_MIGRATE %t, proxies %v", cfg.Production, cfg.AutoMigrate, cfg.TrustedProxies)
	}
	ports := map[string]int{}
	for _, p := range objects["Deployment"].Spec.Template.Spec.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	if !maps.Equal(ports, map[string]int{"http": 8080, "metrics": 9090}) || cfg.Addr != ":8080" || cfg.MetricsAddr != ":9090" {
		t.Errorf("ports %v, the server listens on %s and %s", ports, cfg.Addr, cfg.MetricsAddr)
	}
	if service := objects["Service"].Spec.Ports; len(service) != 1 || service[0].TargetPort != "http" {
		t.Errorf("the Service's ports: %+v", service)
	}
}

// TestKubernetesServerWaitsForTheMigrationJob runs the commands of both workloads with the settings
// of the ConfigMap. The server is alive but not ready until the Job has run, answers the probes,
// and stops within the grace period.
func TestKubernetesServerWaitsForTheMigrationJob(t *testing.T) {
	t.Parallel()
	binary := programtest.Build(t)
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		if strings.HasPrefix(databaseURL, "sqlite:") {
			databaseURL = "sqlite://" + writableDir(t) + "/fieldgate.db"
		}
		objects := loadManifests(t)
		p := objects["Deployment"].Spec.Template.Spec
		c := p.Containers[0]
		env := append(kubernetesSettings(t, binary, objects, databaseURL), "METRICS_ADDR=127.0.0.1:0")
		server := programtest.Launch(t, binary, env, c.Args...)
		for _, row := range []struct {
			name   string
			probe  probe
			status int
		}{{"startup", c.Startup, 200}, {"liveness", c.Liveness, 200}, {"readiness", c.Readiness, 503}} {
			if got := server.Status(row.probe.HTTPGet.Path); got != row.status || row.probe.HTTPGet.Port != "http" {
				t.Errorf("before the migration, %s probe %s: %d, want %d", row.name, row.probe.HTTPGet.Path, got, row.status)
			}
		}
		migration, err := dbtest.StartProcess(dbtest.Directory(t), env, binary, objects["Job"].Spec.Template.Spec.Containers[0].Args...)
		noError(t, err)
		if err := migration.Err(); err != nil {
			t.Fatalf("the Job: %v\n%s", err, migration.LogTail())
		}
		programtest.Wait(t, "the readiness probe succeeds", server.Process, func() bool { return server.Status(c.Readiness.HTTPGet.Path) == http.StatusOK })
		for _, line := range server.Log(t) {
			if line["msg"] == "unknown environment variable" {
				t.Errorf("%v", line)
			}
		}
		if c.Readiness.Timeout <= 2 { // /readyz answers within 2 s
			t.Errorf("the readiness probe times out after %d s, want more than 2 s", c.Readiness.Timeout)
		}
		server.Stop(t)
		for _, line := range server.Log(t) {
			if line["msg"] != "stopping" {
				continue
			}
			drain, err := time.ParseDuration(line["drain"].(string))
			noError(t, err)
			if needed := drain + time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second; c.Lifecycle.PreStop.Sleep.Seconds == 0 || time.Duration(p.Grace)*time.Second < needed+5*time.Second {
				t.Errorf("the pod is killed after %d s: it sleeps %d s, and a stop may take %s", p.Grace, c.Lifecycle.PreStop.Sleep.Seconds, drain)
			}
			return
		}
		t.Errorf("the server does not log its drain time: %s", server.Process.LogTail())
	})
}
