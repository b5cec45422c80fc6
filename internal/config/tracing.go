package config

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Tracing says where traces are sent and how many. It follows the environment variables of
// OpenTelemetry that the table has.
type Tracing struct {
	disabled       bool   // by OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER
	hasOTLP        bool   // by OTEL_TRACES_EXPORTER
	endpoint       string // OTEL_EXPORTER_OTLP_ENDPOINT
	tracesEndpoint string // OTEL_EXPORTER_OTLP_TRACES_ENDPOINT

	Headers    map[string]string // sent to the collector; they may contain its password
	Service    string            // the name of the server in traces
	Attributes map[string]string // of the server
	Sampler    string            // a sampler name of OpenTelemetry
	Ratio      float64           // of requests that are sampled, from 0 to 1, for ratio samplers
}

const (
	// The path for traces at an OTLP endpoint, and the default endpoint.
	otlpTracesPath = "/v1/traces"
	otlpDefault    = "http://localhost:4318"
)

// URL returns where traces are sent. It is empty if tracing is off.
func (t *Tracing) URL() string {
	switch {
	case t.disabled:
		return ""
	case t.tracesEndpoint != "":
		return t.tracesEndpoint
	case t.endpoint != "":
		return strings.TrimSuffix(t.endpoint, "/") + otlpTracesPath
	case t.hasOTLP:
		return otlpDefault + otlpTracesPath
	}
	return ""
}

func parseTracesExporter(c *Config, value string) *valueError {
	var otlp bool
	read := enum(func(*Config) *bool { return &otlp }, "traces are sent by OTLP over HTTP; use a collector to forward them to other systems",
		[]string{"otlp", "none"}, true, false)
	if invalid := read(c, value); invalid != nil {
		return invalid
	}
	c.Tracing.hasOTLP = otlp
	c.Tracing.disabled = c.Tracing.disabled || !otlp
	return nil
}

// endpoint returns a parser for the URL of a collector.
func endpoint(field func(*Config) *string) parser {
	return func(c *Config, value string) *valueError {
		u, err := url.Parse(value)
		wrong := err != nil || u.Scheme != "http" && u.Scheme != "https" || !validURLHost(u) || u.RawQuery != "" || u.Fragment != ""
		if wrong || u.User != nil {
			return &valueError{
				"an http or https URL without a password",
				"write http://localhost:4318, and put credentials into OTEL_EXPORTER_OTLP_HEADERS",
			}
		}
		*field(c) = u.String()
		return nil
	}
}

func parseOTLPProtocol(_ *Config, value string) *valueError {
	if value != "http/protobuf" {
		return &valueError{
			"http/protobuf",
			"collectors usually serve it on port 4318; grpc and http/json are not supported",
		}
	}
	return nil
}

func parseOTLPHeaders(c *Config, value string) *valueError {
	var ok bool
	if c.Tracing.Headers, ok = parsePairs(value); ok {
		for name, text := range c.Tracing.Headers {
			ok = ok && headerName.MatchString(name) && !strings.ContainsAny(text, "\r\n\x00")
		}
	}
	if !ok {
		return &valueError{
			"comma-separated NAME=value pairs, as in Authorization=Basic%20…",
			"percent-encode spaces, commas and = in a value",
		}
	}
	return nil
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // RFC 9110, section 5.6.2

func parseResourceAttributes(c *Config, value string) *valueError {
	var ok bool
	if c.Tracing.Attributes, ok = parsePairs(value); !ok {
		return &valueError{
			"comma-separated name=value pairs, as in deployment.environment.name=staging",
			"percent-encode spaces, commas and = in a value",
		}
	}
	return nil
}

// parsePairs reads a comma-separated list of name=value pairs. Values are percent-encoded (W3C
// Baggage).
func parsePairs(value string) (map[string]string, bool) {
	list := map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		name, text, found := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		text, err := url.PathUnescape(strings.TrimSpace(text))
		if !found || name == "" || err != nil {
			return nil, false
		}
		list[name] = text
	}
	return list, true
}

var serviceName = regexp.MustCompile(`^[\pL\pN][\pL\pN _./:-]{0,99}$`)

func parseServiceName(c *Config, value string) *valueError {
	if !serviceName.MatchString(value) {
		return &valueError{
			"a name of at most 100 letters, digits and _./:-",
			"write the name of the server in traces, as in accounts",
		}
	}
	c.Tracing.Service = value
	return nil
}

// samplers are the samplers of OpenTelemetry.
var samplers = []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}

// parseSamplerArg runs after the parser of OTEL_TRACES_SAMPLER.
func parseSamplerArg(c *Config, value string) *valueError {
	ratio, err := strconv.ParseFloat(value, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		return &valueError{"a number from 0 to 1", "with a traceidratio sampler, 0.1 traces one request in ten"}
	}
	c.Tracing.Ratio = ratio
	return nil
}
