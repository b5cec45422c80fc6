package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// sample is a value of a variable and its expected result.
type sample struct {
	name  string // a description
	value string
	with  env    // the other variables
	want  any    // the value that the Config holds
	err   string // the whole error; empty: none
}

// samples are the test cases of a variable. TestVariables requires some for each variable of the
// table.
type samples struct {
	of   func(*Config) any
	rows []sample
}

var samplesOf = map[string]samples{
	"ENV":                                envSamples,
	"ENV_FILE":                           envFileSamples,
	"PORT":                               portSamples,
	"ADDR":                               addrSamples,
	"PUBLIC_URL":                         publicURLSamples,
	"ALLOWED_HOSTS":                      allowedHostSamples,
	"APP_URL":                            appURLSamples,
	"DATABASE_URL":                       databaseURLSamples,
	"AUTO_MIGRATE":                       autoMigrateSamples,
	"JWT_PRIVATE_KEY_FILES":              keyFileSamples,
	"JWT_SECRET":                         jwtSecretSamples,
	"FACTOR_KEYS":                        factorKeySamples,
	"JWT_ISSUER":                         issuerSamples,
	"JWT_AUDIENCE":                       audienceSamples,
	"ACCESS_TOKEN_TTL":                   accessTokenSamples,
	"REFRESH_TOKEN_TTL":                  refreshTokenSamples,
	"REMEMBER_ME_TTL":                    rememberMeSamples,
	"SESSION_MAX_AGE":                    maxAgeSamples,
	"SESSION_RECHECK":                    recheckSamples,
	"BCRYPT_COST":                        bcryptCostSamples,
	"PASSWORD_PEPPER":                    pepperSamples,
	"PASSWORD_MIN_LENGTH":                minLengthSamples,
	"BREACHED_PASSWORDS":                 breachedSamples,
	"SMTP_URL":                           smtpURLSamples,
	"MAIL_FROM":                          mailFromSamples,
	"MAIL_TEMPLATES":                     mailTemplatesSamples,
	"REQUIRE_VERIFIED_EMAIL":             requireVerifiedSamples,
	"SECURITY_NOTICES":                   securityNoticesSamples,
	"COOKIE_SAMESITE":                    sameSiteSamples,
	"HSTS_INCLUDE_SUBDOMAINS":            hstsSamples,
	"CORS_ORIGINS":                       originSamples,
	"TRUSTED_PROXIES":                    proxySamples,
	"LIMITS":                             limitSamples,
	"AUDIT_RETENTION":                    retentionSamples,
	"UNVERIFIED_ACCOUNT_TTL":             unverifiedSamples,
	"INTROSPECTION":                      introspectionSamples,
	"PLAYGROUND":                         playgroundSamples,
	"METRICS_ADDR":                       metricsAddrSamples,
	"OTEL_SDK_DISABLED":                  sdkDisabledSamples,
	"OTEL_TRACES_EXPORTER":               tracesExporterSamples,
	"OTEL_EXPORTER_OTLP_ENDPOINT":        otlpEndpointSamples,
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": otlpTracesEndpointSamples,
	"OTEL_EXPORTER_OTLP_PROTOCOL":        otlpProtocolSamples,
	"OTEL_EXPORTER_OTLP_HEADERS":         otlpHeaderSamples,
	"OTEL_SERVICE_NAME":                  serviceNameSamples,
	"OTEL_RESOURCE_ATTRIBUTES":           resourceSamples,
	"OTEL_TRACES_SAMPLER":                samplerSamples,
	"OTEL_TRACES_SAMPLER_ARG":            samplerArgSamples,
	"LOG_FORMAT":                         logFormatSamples,
	"LOG_LEVEL":                          logLevelSamples,
}

func TestVariables(t *testing.T) {
	for _, v := range variables {
		s := samplesOf[v.name]
		t.Run(v.name, func(t *testing.T) {
			valid, invalid := 0, 0
			for _, row := range s.rows {
				if row.err == "" {
					valid++
				} else {
					invalid++
				}
				t.Run(row.name, func(t *testing.T) { row.check(t, v, s.of) })
			}
			if valid == 0 || invalid == 0 {
				t.Errorf("got %d valid and %d invalid samples, want some of each", valid, invalid)
			}
		})
	}
	if len(samplesOf) != len(variables) {
		t.Errorf("got samples of %d variables, want %d", len(samplesOf), len(variables))
	}
}

func (row sample) check(t *testing.T, v variable, of func(*Config) any) {
	e := env{}
	maps.Copy(e, row.with)
	e[v.name] = row.value
	c, err := Load(e.lookup)
	switch {
	case row.err != "" && (err == nil || err.Error() != row.err):
		t.Errorf("got error\n\t%v\nwant\n\t%s", err, row.err)
	case row.err != "" && c != nil:
		t.Error("got a Config together with the error, want nil")
	case row.err != "" && strings.Contains(row.err, "\n"):
		t.Error("the error has more than one line")
	case row.err == "" && err != nil:
		t.Errorf("got error %v, want none", err)
	case row.err == "" && of(c) != row.want:
		t.Errorf("got %#v, want %#v", of(c), row.want)
	}
}

func TestTable(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(Table(), "\n"), "\n")
	if want := len(variables) + 2; len(lines) != want {
		t.Fatalf("got %d lines, want %d", len(lines), want)
	}
	for i, line := range lines {
		if strings.Count(line, "|") != 4 {
			t.Errorf("line %d: want three cells: %s", i+1, line)
		}
	}
	for _, want := range []string{
		"| `DATABASE_URL` | `sqlite://fieldgate.db` | ",
		"| `ADDR` | `localhost:PORT` in development, `:PORT` in production | ",
		"| `BCRYPT_COST` | `12` | 10 to 15; ",
	} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("no line begins with %s", want)
		}
	}
}

func TestVariableRowsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range variables {
		if v.alternative != "" && !seen[v.alternative] {
			t.Errorf("%s: %s is not a variable of an earlier row", v.name, v.alternative)
		}
		if seen[v.name] {
			t.Errorf("%s has two rows", v.name)
		}
		seen[v.name] = true
		if v.parse == nil || v.description == "" || v.defaultValue+v.defaultText == "" {
			t.Errorf("%s: want a parser, a description and a default to show", v.name)
		}
	}
}
