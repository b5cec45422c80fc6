package config

import (
	"log/slog"
	"strings"
	"time"
)

// variable is a row of the table and defines one variable.
type variable struct {
	name         string
	defaultValue string               // the value if not set; empty: none, or defaultFunc
	defaultFunc  func(*Config) string // the value if not set, computed from earlier rows
	defaultText  string               // the default in Table, in Markdown; empty: defaultValue
	description  string               // in Markdown, for Table

	secret bool                // no error shows the value; surrounding white space is refused
	redact func(string) string // returns the part of the value that errors show; nil: all

	parse           parser
	productionError *valueError // the error in production if the variable is not set; nil: optional
	alternative     string      // an earlier variable that production accepts instead; empty: none
}

// parser checks a value, which is never empty, and stores it in the Config. The Config has the
// values of earlier rows; the field of a refused one is zero. It returns nil, or why the value is
// refused.
type parser func(c *Config, value string) *valueError

// variables are all variables that the server reads, in this order.
var variables = []variable{
	{
		name:         "ENV",
		defaultValue: "development",
		description:  "`development` or `production`. Production requires a strong key, an https `PUBLIC_URL` and a `DATABASE_URL`",
		parse: enum(func(c *Config) *bool { return &c.Production }, "use development everywhere except in production",
			[]string{"development", "production"}, false, true),
	},
	{
		name:        "ENV_FILE",
		defaultText: "none: `.env` in development",
		description: "a settings file with lines of the form `NAME=value`; `--env-file` sets it for one command. The environment wins over the file. " +
			"Production reads only a named file. A `.env` that is not named and sets `ENV=production` stops the start",
		parse: parseEnvFile,
	},
	{
		name:        "PORT",
		defaultText: "`8080`",
		description: "the port to listen on; `0`: any free port",
		parse:       parsePort,
	},
	{
		name:        "ADDR",
		defaultFunc: defaultAddr,
		defaultText: "`localhost:PORT` in development, `:PORT` in production",
		description: "the address to listen on. `localhost:PORT`: both loopback addresses, so only this machine can connect. `:PORT`: every address, " +
			"for a development server in a container or for tests with a phone. `HOST:PORT`: that address only",
		parse: parseAddr,
	},
	{
		name:        "PUBLIC_URL",
		defaultFunc: defaultPublicURL,
		defaultText: "`http://localhost:PORT`",
		description: "the origin that clients use. With https, cookies are `Secure`. The server never takes it from a request",
		redact:      redactPublicURL,
		parse:       parsePublicURL,
		productionError: &valueError{
			"an https URL in production",
			"write the address that clients use, as in https://api.example.com",
		},
	},
	{
		name:        "ALLOWED_HOSTS",
		defaultText: "none",
		description: "additional host names that requests may use, comma-separated. The check stops DNS rebinding. In development, the server accepts IP addresses, " +
			"`localhost`, names below it, the host of `PUBLIC_URL` and this list. In production, the list is enforced if it is set, and always on a loopback `METRICS_ADDR`",
		parse: parseAllowedHosts,
	},
	{
		name:        "APP_URL",
		defaultFunc: defaultFromPublicURL,
		defaultText: "`PUBLIC_URL`",
		description: "the target of links in mails: the server's own pages, or those of your app. It may have a path; production requires https. The server never takes it from a request",
		redact:      redactPublicURL,
		parse:       parseAppURL,
	},
	{
		name:         "DATABASE_URL",
		defaultValue: "sqlite://fieldgate.db",
		description:  "`sqlite://FILE` or `mysql://USER:PASSWORD@HOST:PORT/NAME?tls=…`, where `tls` is `true`, `false` (the default), `skip-verify` or `preferred`",
		redact:       redactDatabaseURL,
		parse:        parseDatabaseURL,
		productionError: &valueError{
			databaseURLs + " in production",
			"to use SQLite on one machine, set it explicitly: sqlite:///var/lib/fieldgate.db",
		},
	},
	{
		name:         "AUTO_MIGRATE",
		defaultValue: "true",
		description: "whether a starting server migrates the database. `false`: the server is alive but not ready until `fieldgate migrate` has run " +
			"([how to upgrade](../upgrade.md))",
		parse: flag(func(c *Config) *bool { return &c.AutoMigrate }),
	},
	{
		name:        "JWT_PRIVATE_KEY_FILES",
		defaultText: "none",
		description: "PEM files with private keys for access tokens, comma-separated: Ed25519, ECDSA P-256, or RSA of at least 2048 bits. The first signs, all verify. " +
			"If `JWT_SECRET` is set, too, it only verifies: this allows a change from one to the other",
		redact: redactKeyFiles,
		parse:  parseKeyFiles,
	},
	{
		name:        "JWT_SECRET",
		defaultText: "in development, created once beside the SQLite file",
		description: "the key that signs access tokens (HS256): at least 32 bytes, random in production. To rotate, write a comma-separated list: the first signs, all verify",
		secret:      true,
		parse:       parseJWTSecrets,
		productionError: &valueError{
			"a random secret of at least 32 bytes in production, or JWT_PRIVATE_KEY_FILES",
			secretHint,
		},
		alternative: "JWT_PRIVATE_KEY_FILES",
	},
	{
		name:        "FACTOR_KEYS",
		defaultText: "in development with SQLite, created once beside the file; otherwise none",
		description: "the keys that encrypt the secrets of second factors: at least 32 bytes each, random in production. To rotate, write a comma-separated list: the first encrypts, all decrypt. " +
			"Without a key, no authenticator app can be enrolled or used ([second factors](../factors.md))",
		secret: true,
		parse:  parseFactorKeys,
	},
	{
		name:        "JWT_ISSUER",
		defaultFunc: defaultFromPublicURL,
		defaultText: "`PUBLIC_URL`",
		description: "the `iss` of access tokens",
		parse:       claim(func(c *Config) *string { return &c.JWTIssuer }),
	},
	{
		name:        "JWT_AUDIENCE",
		defaultFunc: defaultFromPublicURL,
		defaultText: "`PUBLIC_URL`",
		description: "the `aud` of access tokens",
		parse:       claim(func(c *Config) *string { return &c.JWTAudience }),
	},
	{
		name:         "ACCESS_TOKEN_TTL",
		defaultValue: "15m",
		defaultText:  "`15m`, or a shorter `REFRESH_TOKEN_TTL`",
		description:  "the lifetime of an access token: `1s` to `1h`, at most `REFRESH_TOKEN_TTL`",
		parse:        lifetime(accessTokenTTL, time.Hour),
	},
	{
		name:         "REFRESH_TOKEN_TTL",
		defaultValue: "168h",
		defaultText:  "`168h`, or a shorter `REMEMBER_ME_TTL`",
		description:  "the idle timeout of a session; at most `REMEMBER_ME_TTL`",
		parse:        lifetime(refreshTokenTTL, 0),
	},
	{
		name:         "REMEMBER_ME_TTL",
		defaultValue: "720h",
		defaultText:  "`720h`, or a shorter `SESSION_MAX_AGE`",
		description:  "the idle timeout of a session with `rememberMe`; at most `SESSION_MAX_AGE`",
		parse:        lifetime(rememberMeTTL, 0),
	},
	{
		name:        "SESSION_MAX_AGE",
		defaultFunc: defaultSessionMaxAge,
		defaultText: "`720h`, or a longer `REMEMBER_ME_TTL`",
		description: "the maximum age of a session; refreshing never extends it. NIST requires at most 30 days (SP 800-63B, AAL1)",
		parse:       lifetime(sessionMaxAge, 0),
	},
	{
		name:         "SESSION_RECHECK",
		defaultValue: "0s",
		description: "how long a server caches a session that it has looked up, at most `1m`. A sign-out or a new role on another server takes effect " +
			"after that time; `0s`: on the next request",
		parse: duration(func(c *Config) *time.Duration { return &c.SessionRecheck }, 0, time.Minute,
			"0s queries the database on every request; 5s avoids most of these queries"),
	},
	{
		name:         "BCRYPT_COST",
		defaultValue: "12",
		description:  "10 to 15; each step doubles the work. A sign-in re-hashes a password that was stored at another cost",
		parse:        integer(func(c *Config) *int { return &c.BcryptCost }, 10, 15, "each step doubles the work of a sign-in; 12 is a good choice"),
	},
	{
		name:        "PASSWORD_PEPPER",
		defaultText: "none",
		description: "a key for password hashes, kept outside the database: at least 16 bytes, random in production. If it is lost, no password that was stored with it verifies. " +
			"To rotate, write a comma-separated list of at most 3: the first hashes, all verify, and a sign-in re-hashes ([how](../operations.md#rotating-keys))",
		secret: true,
		parse:  parsePepper,
	},
	{
		name:         "PASSWORD_MIN_LENGTH",
		defaultValue: "8",
		description:  "in characters, 8 to 64; NIST advises 15 if the password is the only factor",
		parse:        integer(func(c *Config) *int { return &c.PasswordMinLength }, 8, 64, "NIST's minimum is 8; it advises 15 if the password is the only factor"),
	},
	{
		name:        "BREACHED_PASSWORDS",
		defaultText: "none",
		description: "a file of passwords known from breaches, which accounts cannot use. `fieldgate passwords build` creates it ([how](../operations.md#breached-passwords))",
		parse:       parseBreachedPasswords,
	},
	{
		name:        "SMTP_URL",
		defaultText: "none: development shows mails at `/dev/mail` and in the log, production sends none",
		description: "the mail server: `smtp://USER:PASSWORD@HOST:587`, with `?tls=starttls` (the default, which never falls back to plain text), `implicit` (port 465) or `none`",
		redact:      redactDatabaseURL,
		parse:       parseSMTPURL,
	},
	{
		name:        "MAIL_FROM",
		defaultFunc: defaultMailFrom,
		defaultText: "`Fieldgate <no-reply@HOST>`, with the host of `PUBLIC_URL`",
		description: "the sender of mails. The name before the address is the server's name in mails and on pages",
		parse:       parseMailFrom,
	},
	{
		name:        "MAIL_TEMPLATES",
		defaultText: "none",
		description: "a directory of mail templates that replace built-in ones or add a language ([how](../mail.md))",
		parse:       parseMailTemplates,
	},
	{
		name:         "REQUIRE_VERIFIED_EMAIL",
		defaultValue: "false",
		description: "`true`: sign-in requires a verified e-mail address, and a registration does not reveal whether the address had an account. " +
			"In production it requires `SMTP_URL`",
		parse: parseRequireVerified,
	},
	{
		name:         "SECURITY_NOTICES",
		defaultValue: "on",
		description: "mails to the owner of an account about a sign-in from a new device or network, many failed sign-ins, a new role " +
			"and its deletion: `on` or `off`",
		parse: enum(func(c *Config) *bool { return &c.SecurityNoticesOff }, "off sends no such mail; mails with a link are sent either way",
			[]string{"on", "off"}, false, true),
	},
	{
		name:         "UNVERIFIED_ACCOUNT_TTL",
		defaultValue: "168h",
		description: "with `REQUIRE_VERIFIED_EMAIL=true`: how long a registered account is kept if it was never verified or signed in to. " +
			"Accounts from before this setting, and those with another role than `USER`, are kept",
		parse: duration(func(c *Config) *time.Duration { return &c.UnverifiedAccountTTL }, time.Second, 0, "write hours: 168h is a week"),
	},
	{
		name:         "COOKIE_SAMESITE",
		defaultValue: "strict",
		description:  "`strict`, `lax` or `none`, which requires an https `PUBLIC_URL`",
		parse:        parseSameSite,
	},
	{
		name:         "HSTS_INCLUDE_SUBDOMAINS",
		defaultValue: "false",
		description:  "`true`: with an https `PUBLIC_URL`, browsers use https for every subdomain of its host for a year after a visit. All subdomains must support https",
		parse:        flag(func(c *Config) *bool { return &c.HSTSSubdomains }),
	},
	{
		name:        "CORS_ORIGINS",
		defaultText: "none",
		description: "other origins whose pages may call the API, exact and comma-separated, as in `https://app.example.com`; never `*`. " +
			"In development on the loopback interface, pages of `http://localhost`, `http://127.0.0.1` and `http://[::1]` are allowed as well",
		redact: redactPublicURL,
		parse:  parseOrigins,
	},
	{
		name:        "TRUSTED_PROXIES",
		defaultText: "none",
		description: "the addresses of proxies in front of the server, comma-separated: single addresses, or ranges as in `10.0.0.0/8`. The server takes the client's address " +
			"from the `X-Forwarded-For` of these proxies, and ignores that header from any other sender",
		parse: parseProxies,
	},
	{
		name:         "LIMITS",
		defaultValue: "on",
		description:  "the rate limits of the schema: `on`, or `off` for load tests, which production refuses",
		parse:        parseLimits,
	},
	{
		name:         "AUDIT_RETENTION",
		defaultValue: "8760h",
		description:  "how long the audit log keeps an entry, `24h` to `87600h`; `8760h` is a year",
		parse: duration(func(c *Config) *time.Duration { return &c.AuditRetention }, 24*time.Hour, 10*365*24*time.Hour,
			"write hours: 8760h is a year"),
	},
	{
		name:        "INTROSPECTION",
		defaultFunc: trueInDevelopment,
		defaultText: "`true` in development",
		description: "whether introspection queries are answered",
		parse:       flag(func(c *Config) *bool { return &c.Introspection }),
	},
	{
		name:        "PLAYGROUND",
		defaultFunc: trueInDevelopment,
		defaultText: "`true` in development",
		description: "whether `GET /` serves the playground",
		parse:       flag(func(c *Config) *bool { return &c.Playground }),
	},
	{
		name:        "METRICS_ADDR",
		defaultText: "none",
		description: "`HOST:PORT` that serves `/metrics` and `/debug/pprof/` ([how](../metrics.md)). It requires no sign-in, so the internet must not reach it: " +
			"`127.0.0.1:9090`",
		parse: parseMetricsAddr,
	},
	{
		name:         "OTEL_SDK_DISABLED",
		defaultValue: "false",
		description:  "`true`: no traces, whatever the other OpenTelemetry variables say",
		parse:        flag(func(c *Config) *bool { return &c.Tracing.disabled }),
	},
	{
		name:        "OTEL_TRACES_EXPORTER",
		defaultText: "`otlp` if there is an endpoint, else `none`",
		description: "`otlp` or `none`: whether traces are recorded and sent ([which](../metrics.md#traces))",
		parse:       parseTracesExporter,
	},
	{
		name:        "OTEL_EXPORTER_OTLP_ENDPOINT",
		defaultText: "none; with `OTEL_TRACES_EXPORTER=otlp`, `http://localhost:4318`",
		description: "the URL of the collector; `/v1/traces` is appended",
		redact:      redactPublicURL,
		parse:       endpoint(func(c *Config) *string { return &c.Tracing.endpoint }),
	},
	{
		name:        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		defaultText: "none",
		description: "the full URL for traces: nothing is appended",
		redact:      redactPublicURL,
		parse:       endpoint(func(c *Config) *string { return &c.Tracing.tracesEndpoint }),
	},
	{
		name:         "OTEL_EXPORTER_OTLP_PROTOCOL",
		defaultValue: "http/protobuf",
		description:  "`http/protobuf`; no other protocol is supported",
		parse:        parseOTLPProtocol,
	},
	{
		name:        "OTEL_EXPORTER_OTLP_HEADERS",
		defaultText: "none",
		description: "headers for the collector: comma-separated `NAME=value` pairs, as in `Authorization=Basic%20…`",
		secret:      true,
		parse:       parseOTLPHeaders,
	},
	{
		name:         "OTEL_SERVICE_NAME",
		defaultValue: "fieldgate",
		description:  "the name of the server in traces",
		parse:        parseServiceName,
	},
	{
		name:        "OTEL_RESOURCE_ATTRIBUTES",
		defaultText: "none",
		description: "more attributes of the server in traces: comma-separated `name=value` pairs, as in `deployment.environment.name=staging`",
		parse:       parseResourceAttributes,
	},
	{
		name:         "OTEL_TRACES_SAMPLER",
		defaultValue: "parentbased_always_on",
		description:  "which requests are traced: `always_on`, `always_off` or `traceidratio`, each with an optional prefix `parentbased_`. A sampling decision in a request's headers is ignored",
		parse: enum(func(c *Config) *string { return &c.Tracing.Sampler }, "parentbased_traceidratio with OTEL_TRACES_SAMPLER_ARG=0.1 traces one request in ten",
			samplers, samplers...),
	},
	{
		name:         "OTEL_TRACES_SAMPLER_ARG",
		defaultValue: "1",
		description:  "the ratio of `traceidratio`, from 0 to 1",
		parse:        parseSamplerArg,
	},
	{
		name:        "LOG_FORMAT",
		defaultFunc: defaultLogFormat,
		defaultText: "`text` in development, else `json`",
		description: "`text` or `json`",
		parse: enum(func(c *Config) *string { return &c.LogFormat }, "json is for machines, text for people",
			[]string{"text", "json"}, "text", "json"),
	},
	{
		name:         "LOG_LEVEL",
		defaultValue: "info",
		description:  "`debug`, `info`, `warn` or `error`",
		parse: enum(func(c *Config) *slog.Level { return &c.LogLevel }, "info logs one line per request, warn only what needs attention",
			[]string{"debug", "info", "warn", "error"}, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError),
	},
}

// defaultFor returns the value of a variable that is not set; empty: none.
func (v variable) defaultFor(c *Config) string {
	if v.defaultFunc != nil {
		return v.defaultFunc(c)
	}
	return v.defaultValue
}

// redacted returns the part of a value that errors may show.
func (v variable) redacted(value string) string {
	switch {
	case v.secret:
		return hidden
	case v.redact != nil:
		return v.redact(value)
	}
	return value
}

func trueInDevelopment(c *Config) string {
	if c.Production {
		return "false"
	}
	return "true"
}

func defaultLogFormat(c *Config) string {
	if c.Production {
		return "json"
	}
	return "text"
}

// Table returns the variables as a Markdown table, for docs/reference/configuration.md.
func Table() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range variables {
		standard := v.defaultText
		if standard == "" {
			standard = "`" + v.defaultValue + "`"
		}
		b.WriteString("| `" + v.name + "` | " + standard + " | " + v.description + " |\n")
	}
	return b.String()
}
