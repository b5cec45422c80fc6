package config

import "fmt"

func tracesURL(c *Config) any { return c.Tracing.URL() }

var sdkDisabledSamples = samples{
	of: tracesURL,
	rows: []sample{
		{name: "disabled, whatever the other variables say", value: "true", with: env{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, want: ""},
		{name: "enabled", value: "FALSE", with: env{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, want: "http://c:4318/v1/traces"},
		{name: "enabled, without an endpoint", value: "false", want: ""},
		{name: "a number", value: "1", err: `OTEL_SDK_DISABLED: "1" is not usable: expected true or false. Hint: write true or false, not 1, 0, yes or on`},
	},
}

var tracesExporterSamples = samples{
	of: tracesURL,
	rows: []sample{
		{name: "a collector on this machine", value: "otlp", want: "http://localhost:4318/v1/traces"},
		{name: "a collector elsewhere", value: "otlp", with: env{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c"}, want: "https://c/v1/traces"},
		{name: "none although there is an endpoint", value: "none", with: env{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c"}, want: ""},
		{
			name: "another exporter", value: "zipkin",
			err: `OTEL_TRACES_EXPORTER: "zipkin" is not usable: expected otlp or none. Hint: traces are sent by OTLP over HTTP; use a collector to forward them to other systems`,
		},
	},
}

func badEndpoint(name, value string) string {
	return name + ": " + value + " is not usable: expected an http or https URL without a password. Hint: write http://localhost:4318, and put credentials into OTEL_EXPORTER_OTLP_HEADERS"
}

var otlpEndpointSamples = samples{
	of: tracesURL,
	rows: []sample{
		{name: "a collector", value: "http://collector:4318", want: "http://collector:4318/v1/traces"},
		{name: "a slash at the end", value: "http://collector:4318/", want: "http://collector:4318/v1/traces"},
		{name: "a path", value: "https://collector.example.com/otlp", want: "https://collector.example.com/otlp/v1/traces"},
		{name: "no scheme", value: "collector:4318", err: badEndpoint("OTEL_EXPORTER_OTLP_ENDPOINT", `"collector:4318"`)},
		{name: "another scheme", value: "grpc://collector:4317", err: badEndpoint("OTEL_EXPORTER_OTLP_ENDPOINT", `"grpc://collector:4317"`)},
		{name: "a password, which is not shown", value: "https://me:pass@c", err: badEndpoint("OTEL_EXPORTER_OTLP_ENDPOINT", `"`+redactPublicURL("https://me:pass@c")+`"`)},
	},
}

var otlpTracesEndpointSamples = samples{
	of: tracesURL,
	rows: []sample{
		{name: "in full", value: "http://collector:4318/api/traces", want: "http://collector:4318/api/traces"},
		{name: "beside the other", value: "http://c/x", with: env{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://d"}, want: "http://c/x"},
		{name: "no host", value: "http:///v1/traces", err: badEndpoint("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", `"http:///v1/traces"`)},
	},
}

var otlpProtocolSamples = samples{
	of: tracesURL,
	rows: []sample{
		{name: "the one that there is", value: "http/protobuf", want: ""},
		{name: "another", value: "grpc", err: `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not usable: expected http/protobuf. Hint: collectors usually serve it on port 4318; grpc and http/json are not supported`},
	},
}

const badHeaders = "OTEL_EXPORTER_OTLP_HEADERS: " + hidden + " is not usable: expected comma-separated NAME=value pairs, as in Authorization=Basic%20…. " +
	"Hint: percent-encode spaces, commas and = in a value"

var otlpHeaderSamples = samples{
	of: func(c *Config) any { return fmt.Sprint(c.Tracing.Headers) },
	rows: []sample{
		{name: "one", value: "X-Key=abc", want: "map[X-Key:abc]"},
		{name: "two, with spaces, and one in a value", value: "Authorization = Basic%20YQ==, X-Key=a", want: "map[Authorization:Basic YQ== X-Key:a]"},
		{name: "a name alone", value: "X-Key", err: badHeaders},
		{name: "a name that is none", value: "X Key=a", err: badHeaders},
		{name: "a second line", value: "X-Key=a%0d%0aX-Other:b", err: badHeaders},
	},
}

var serviceNameSamples = samples{
	of: func(c *Config) any { return c.Tracing.Service },
	rows: []sample{
		{name: "a name", value: "accounts", want: "accounts"},
		{name: "two lines", value: "a\nb", err: `OTEL_SERVICE_NAME: "a\nb" is not usable: expected a name of at most 100 letters, digits and _./:-. Hint: write the name of the server in traces, as in accounts`},
	},
}

var resourceSamples = samples{
	of: func(c *Config) any { return fmt.Sprint(c.Tracing.Attributes) },
	rows: []sample{
		{name: "two", value: "deployment.environment.name=staging,team=a%2Cb", want: "map[deployment.environment.name:staging team:a,b]"},
		{
			name: "no value", value: "staging",
			err: `OTEL_RESOURCE_ATTRIBUTES: "staging" is not usable: expected comma-separated name=value pairs, as in deployment.environment.name=staging. Hint: percent-encode spaces, commas and = in a value`,
		},
	},
}

var samplerSamples = samples{
	of: func(c *Config) any { return c.Tracing.Sampler },
	rows: []sample{
		{name: "all", value: "always_on", want: "always_on"},
		{name: "some", value: "parentbased_traceidratio", want: "parentbased_traceidratio"},
		{
			name: "one that there is not", value: "xray",
			err: `OTEL_TRACES_SAMPLER: "xray" is not usable: expected always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio. ` +
				`Hint: parentbased_traceidratio with OTEL_TRACES_SAMPLER_ARG=0.1 traces one request in ten`,
		},
	},
}

var samplerArgSamples = samples{
	of: func(c *Config) any { return c.Tracing.Ratio },
	rows: []sample{
		{name: "a tenth", value: "0.1", want: 0.1},
		{name: "all", value: "1", want: 1.0},
		{name: "above", value: "10", err: badRatio(`"10"`)},
		{name: "below", value: "-0.1", err: badRatio(`"-0.1"`)},
		{name: "no number", value: "NaN", err: badRatio(`"NaN"`)},
	},
}

func badRatio(value string) string {
	return "OTEL_TRACES_SAMPLER_ARG: " + value + " is not usable: expected a number from 0 to 1. Hint: with a traceidratio sampler, 0.1 traces one request in ten"
}
