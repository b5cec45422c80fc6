package deploy

import (
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestTraefikLogsNoQueryStringAndTrustsNoHeader checks the settings that matter. Traefik is not
// run.
func TestTraefikLogsNoQueryStringAndTrustsNoHeader(t *testing.T) {
	t.Parallel()
	var static struct {
		EntryPoints map[string]struct {
			ForwardedHeaders struct {
				Insecure   bool
				TrustedIPs []string `yaml:"trustedIPs"`
			} `yaml:"forwardedHeaders"`
		} `yaml:"entryPoints"`
		AccessLog struct {
			Format string
			Fields struct {
				DefaultMode string `yaml:"defaultMode"`
				Names       map[string]string
				Headers     struct {
					DefaultMode string `yaml:"defaultMode"`
					Names       map[string]string
				}
			}
		} `yaml:"accessLog"`
		Log struct{ Level string }
	}
	noError(t, yaml.Unmarshal([]byte(readRepoFile(t, "deploy/traefik/traefik.yml")), &static))
	for name, entry := range static.EntryPoints {
		if entry.ForwardedHeaders.Insecure || len(entry.ForwardedHeaders.TrustedIPs) > 0 {
			t.Errorf("the entry point %s trusts X-Forwarded-For: %+v", name, entry.ForwardedHeaders)
		}
	}
	log := static.AccessLog
	if log.Format != "json" || log.Fields.DefaultMode != "drop" || log.Fields.Headers.DefaultMode != "drop" || len(log.Fields.Headers.Names) > 0 {
		t.Errorf("the access log: %+v", log)
	}
	for name := range log.Fields.Names {
		if slices.Contains([]string{"RequestPath", "RequestLine"}, name) {
			t.Errorf("the access log field %s includes the query string", name)
		}
	}
	if static.Log.Level != "ERROR" {
		t.Errorf("the log level is %s, want ERROR", static.Log.Level)
	}
	var dynamic struct {
		HTTP struct {
			Middlewares map[string]any
			Services    map[string]struct {
				LoadBalancer struct {
					PassHostHeader bool                  `yaml:"passHostHeader"`
					HealthCheck    struct{ Path string } `yaml:"healthCheck"`
				} `yaml:"loadBalancer"`
			}
		}
	}
	noError(t, yaml.Unmarshal([]byte(readRepoFile(t, "deploy/traefik/fieldgate.yml")), &dynamic))
	balancer := dynamic.HTTP.Services["fieldgate"].LoadBalancer
	if !balancer.PassHostHeader || balancer.HealthCheck.Path != "/readyz" || len(dynamic.HTTP.Middlewares) > 0 {
		t.Errorf("the service: %+v", balancer)
	}
}
