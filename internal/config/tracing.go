package config

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Tracing is where traces go, and how many. It follows the environment variables of OpenTelemetry, as far as the table has
// them.
type Tracing struct {
	disabled, hasOTLP        bool   // OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER says so
	endpoint, tracesEndpoint string // OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT

	Headers    map[string]string // that the collector wants; they may hold its password
	Service    string            // what the server is called in traces
	Attributes map[string]string // of the server
	Sampler    string            // one of OpenTelemetry's
	Ratio      float64           // of what is sampled, from 0 to 1, for samplers that have one
}

// The path of traces at an OTLP endpoint, and the endpoint on this machine.
const (
	otlpTracesPath = "/v1/traces"
	otlpDefault    = "http://localhost:4318"
)

// URL is where traces are sent; empty: nowhere, and none are made.
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
	read := enum(func(*Config) *bool { return &otlp }, "traces are sent by OTLP over HTTP; a collector passes them on to whatever else",
		[]string{"otlp", "none"}, true, false)
	if bad := read(c, value); bad != nil {
		return bad
	}
	c.Tracing.hasOTLP = otlp
	c.Tracing.disabled = c.Tracing.disabled || !otlp
	return nil
}

// endpoint reads the URL of a collector.
func endpoint(field func(*Config) *string) parser {
	return func(c *Config, value string) *valueError {
		u, err := url.Parse(value)
		wrong := err != nil || u.Scheme != "http" && u.Scheme != "https" || !validURLHost(u) || u.RawQuery != "" || u.Fragment != ""
		if wrong || u.User != nil {
			return &valueError{"an http or https URL without a password", "write http://localhost:4318; what the collector wants to know goes into OTEL_EXPORTER_OTLP_HEADERS"}
		}
		*field(c) = u.String()
		return nil
	}
}

func parseOTLPProtocol(_ *Config, value string) *valueError {
	if value != "http/protobuf" {
		return &valueError{"http/protobuf", "that is port 4318 of a collector, as a rule; grpc and http/json are not spoken here"}
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
		return &valueError{"NAME=value in a comma list, as in Authorization=Basic%20…", "spaces, commas and = in a value are written with a %, as in URLs"}
	}
	return nil
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") // RFC 9110 section 5.6.2

func parseResourceAttributes(c *Config, value string) *valueError {
	var ok bool
	if c.Tracing.Attributes, ok = parsePairs(value); !ok {
		return &valueError{"name=value in a comma list, as in deployment.environment.name=staging", "spaces, commas and = in a value are written with a %, as in URLs"}
	}
	return nil
}

// parsePairs reads a comma list of name=value, in which values are percent-encoded (W3C Baggage).
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
		return &valueError{"a name of at most 100 letters, digits and _./:-", "write what the server is called in traces, as in accounts"}
	}
	c.Tracing.Service = value
	return nil
}

// The samplers of OpenTelemetry.
var samplers = []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}

// parseSamplerArg comes after OTEL_TRACES_SAMPLER.
func parseSamplerArg(c *Config, value string) *valueError {
	ratio, err := strconv.ParseFloat(value, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		return &valueError{"a number from 0 to 1", "0.1 makes a trace of each tenth request, where the sampler takes a ratio"}
	}
	c.Tracing.Ratio = ratio
	return nil
}
