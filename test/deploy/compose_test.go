package deploy

import (
	"net/url"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"fieldgate/internal/config"
)

func TestDevelopmentComposeConfiguresADevelopmentServer(t *testing.T) {
	t.Parallel()
	var compose struct {
		Services map[string]struct {
			Image       string
			Environment map[string]string
			Ports       []string
			Develop     struct {
				Watch []struct{ Action, Path string }
			}
		}
	}
	noError(t, yaml.Unmarshal([]byte(readRepoFile(t, "compose.development.yaml")), &compose))
	server, database := compose.Services["fieldgate"], compose.Services["database"]
	for name := range server.Environment {
		if !strings.Contains(config.Table(), "| `"+name+"` |") {
			t.Errorf("%s is no variable of the server", name)
		}
	}
	cfg, err := config.Load(func(name string) (string, bool) { value, ok := server.Environment[name]; return value, ok })
	noError(t, err)
	if cfg.Production || !cfg.Playground || cfg.Addr != ":8080" || cfg.PublicURL.String() != "http://localhost:8080" {
		t.Errorf("production %t, playground %t, at %s for %s", cfg.Production, cfg.Playground, cfg.Addr, cfg.PublicURL)
	}
	db, err := url.Parse(cfg.DatabaseURL)
	noError(t, err)
	password, _ := db.User.Password()
	if e := database.Environment; db.Hostname() != "database" || db.Path != "/"+e["MARIADB_DATABASE"] || db.User.Username() != e["MARIADB_USER"] || password != e["MARIADB_PASSWORD"] {
		t.Errorf("the server connects to %s, but the database is %v", cfg.DatabaseURL, e)
	}
	mail, err := url.Parse(cfg.SMTPURL)
	noError(t, err)
	if _, there := compose.Services[mail.Hostname()]; !there {
		t.Errorf("compose.development.yaml has no service %s", mail.Hostname())
	}
	for name, service := range compose.Services {
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is reachable from other machines: %s", name, port)
			}
		}
		if _, tag, _ := strings.Cut(service.Image, ":"); service.Image != "" && (tag == "" || tag == "latest") {
			t.Errorf("%s: the image %s has no version", name, service.Image)
		}
		for _, watch := range service.Develop.Watch {
			if watch.Action != "rebuild" || !existsInRepo(t, watch.Path) {
				t.Errorf("%s: invalid watch %+v", name, watch)
			}
		}
	}
}
