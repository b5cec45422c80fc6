package config

import (
	"log/slog"
	"strings"
	"time"
)

// variable is one row of the table: everything there is to say about a variable.
type variable struct {
	name         string
	defaultValue string               // the value if it is not set; empty: none, or the next
	defaultFunc  func(*Config) string // the value if it is not set, made of what the rows above have read
	defaultText  string               // the default as Table shows it, in Markdown; empty: standard
	description  string               // in Markdown, for Table

	secret bool                // no error shows the value, and white space around it is refused
	redact func(string) string // what an error shows of the value; nil: all

	parse           parser
	productionError *valueError // what production asks for if it is not set; nil: nothing
	alternative     string      // a variable of a row above that production takes in its place; empty: none
}

// parser checks a value, which is never empty, and puts it into the Config, in which it finds what the rows above
// have read. If one of those was refused, its field is zero. It returns nil or why it refuses the value.
type parser func(c *Config, value string) *valueError

// variables are all that the server reads, in this order.
var variables = []variable{
	{
		name:         "ENV",
		defaultValue: "development",
		description:  "`development` or `production`, which does not start without a strong key, an https `PUBLIC_URL` and a `DATABASE_URL`",
		parse: enum(func(c *Config) *bool { return &c.Production }, "everything that is not production is development",
			[]string{"development", "production"}, false, true),
	},
	{
		name:        "ENV_FILE",
		defaultText: "none: `.env` in development",
		description: "a file of settings, with lines of the form `NAME=value`; `--env-file` is the same for one command. What the environment has wins. Production reads no file that is not named, and a `.env` " +
			"that is not named and says `ENV=production` stops the start",
		parse: parseEnvFile,
	},
	{
		name:        "PORT",
		defaultText: "`8080`",
		description: "the port to listen on; `0`: any free one",
		parse:       parsePort,
	},
	{
		name:        "ADDR",
		defaultFunc: defaultAddr,
		defaultText: "`localhost:PORT` in development, `:PORT` in production",
		description: "where to listen. `localhost:PORT`: both loopback addresses, so that only this machine reaches the server. `:PORT`: every address, " +
			"which a development server in a container, or one for a phone, needs. `HOST:PORT`: that address only",
		parse: parseAddr,
	},
	{
		name:            "PUBLIC_URL",
		defaultFunc:     defaultPublicURL,
		defaultText:     "`http://localhost:PORT`",
		description:     "the origin that clients use; https makes the cookie `Secure`; never taken from a request",
		redact:          redactPublicURL,
		parse:           parsePublicURL,
		productionError: &valueError{"an https URL in production", "write the address that clients use, as in https://api.example.com"},
	},
	{
		name:        "ALLOWED_HOSTS",
		defaultText: "none",
		description: "other hosts that requests may name, in a comma list. In development the server answers to IP addresses, `localhost`, names below it and the host of " +
			"`PUBLIC_URL`, against DNS rebinding. In production the list is enforced if it is set, and always on a `METRICS_ADDR` of the loopback interface",
		parse: parseAllowedHosts,
	},
	{
		name:        "APP_URL",
		defaultFunc: defaultFromPublicURL,
		defaultText: "`PUBLIC_URL`",
		description: "where links in mails lead: the server itself has the pages, and an app of yours may have others; it may have a path; https in production; never taken from a request",
		redact:      redactPublicURL,
		parse:       parseAppURL,
	},
	{
		name:            "DATABASE_URL",
		defaultValue:    "sqlite://fieldgate.db",
		description:     "`sqlite://FILE` or `mysql://USER:PASSWORD@HOST:PORT/NAME?tls=…`, where `tls` is `true`, `false` (the default), `skip-verify` or `preferred`",
		redact:          redactDatabaseURL,
		parse:           parseDatabaseURL,
		productionError: &valueError{databaseURLs + " in production", "SQLite is fine on one machine, but has to be asked for: sqlite:///var/lib/fieldgate.db"},
	},
	{
		name:         "AUTO_MIGRATE",
		defaultValue: "true",
		description: "whether a server that starts brings the database's tables up to date; `false`: it waits, alive and not ready, until `fieldgate migrate` has " +
			"([how to upgrade](../upgrade.md))",
		parse: flag(func(c *Config) *bool { return &c.AutoMigrate }),
	},
	{
		name:        "JWT_PRIVATE_KEY_FILES",
		defaultText: "none",
		description: "PEM files with the private keys of access tokens, in a comma list: Ed25519, ECDSA P-256, or RSA of 2048 bits or more. The first signs, all verify; " +
			"a `JWT_SECRET` beside them only verifies, so that one can move from one to the other",
		redact: redactKeyFiles,
		parse:  parseKeyFiles,
	},
	{
		name:            "JWT_SECRET",
		defaultText:     "in development made once and kept beside the SQLite file",
		description:     "the key that signs access tokens (HS256): at least 32 bytes, random in production. A comma list rotates: the first signs, all verify",
		secret:          true,
		parse:           parseJWTSecrets,
		productionError: &valueError{"a random secret of at least 32 bytes in production, or JWT_PRIVATE_KEY_FILES", secretHint},
		alternative:     "JWT_PRIVATE_KEY_FILES",
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
		description:  "how long an access token counts: `1s` to `1h`, no longer than `REFRESH_TOKEN_TTL`",
		parse:        lifetime(accessTokenTTL, time.Hour),
	},
	{
		name:         "REFRESH_TOKEN_TTL",
		defaultValue: "168h",
		defaultText:  "`168h`, or a shorter `REMEMBER_ME_TTL`",
		description:  "how long a session may lie idle; no longer than `REMEMBER_ME_TTL`",
		parse:        lifetime(refreshTokenTTL, 0),
	},
	{
		name:         "REMEMBER_ME_TTL",
		defaultValue: "720h",
		defaultText:  "`720h`, or a shorter `SESSION_MAX_AGE`",
		description:  "the same for a login with `rememberMe`; no longer than `SESSION_MAX_AGE`",
		parse:        lifetime(rememberMeTTL, 0),
	},
	{
		name:        "SESSION_MAX_AGE",
		defaultFunc: defaultSessionMaxAge,
		defaultText: "`720h`, or a longer `REMEMBER_ME_TTL`",
		description: "how long a session lasts at most; refreshing never extends it. 30 days are what NIST asks for (SP 800-63B, AAL1)",
		parse:       lifetime(sessionMaxAge, 0),
	},
	{
		name:         "SESSION_RECHECK",
		defaultValue: "0s",
		description: "how long a replica may trust a session that it has looked up, up to `1m`. What another replica does meanwhile, " +
			"a logout or a new role, counts here only after that; `0s`: on the next request",
		parse: duration(func(c *Config) *time.Duration { return &c.SessionRecheck }, 0, time.Minute,
			"0s asks the database in every request; 5s spares it most of the work"),
	},
	{
		name:         "BCRYPT_COST",
		defaultValue: "12",
		description:  "10 to 15; each step doubles the work; a login re-hashes what was stored at another cost",
		parse:        integer(func(c *Config) *int { return &c.BcryptCost }, 10, 15, "each step doubles the work of a login; 12 is a good choice"),
	},
	{
		name:        "PASSWORD_PEPPER",
		defaultText: "none",
		description: "a key for password hashes that is kept outside the database: at least 16 bytes, random in production. Without it no password that was stored with it verifies. " +
			"A comma list of at most 3 rotates: the first hashes, all verify, and a login re-hashes ([how](../operations.md#rotating-keys))",
		secret: true,
		parse:  parsePepper,
	},
	{
		name:         "PASSWORD_MIN_LENGTH",
		defaultValue: "8",
		description:  "in characters, 8 to 64; 15 is NIST's advice for a password on its own",
		parse:        integer(func(c *Config) *int { return &c.PasswordMinLength }, 8, 64, "8 is the least that NIST allows, 15 its advice for a password on its own"),
	},
	{
		name:        "BREACHED_PASSWORDS",
		defaultText: "none",
		description: "a file of passwords that are known from breaches; accounts cannot use them: `fieldgate passwords build` makes it ([how](../operations.md#breached-passwords))",
		parse:       parseBreachedPasswords,
	},
	{
		name:        "SMTP_URL",
		defaultText: "none: in development, mails are shown at `/dev/mail` and in the log; in production, none are sent",
		description: "the server that takes mails: `smtp://USER:PASSWORD@HOST:587`, with `?tls=starttls` (the default, and never without), `implicit` (port 465) or `none`",
		redact:      redactDatabaseURL,
		parse:       parseSMTPURL,
	},
	{
		name:        "MAIL_FROM",
		defaultFunc: defaultMailFrom,
		defaultText: "`Fieldgate <no-reply@HOST>`, with the host of `PUBLIC_URL`",
		description: "whom mails come from; the name before the address is what the server calls itself in them",
		parse:       parseMailFrom,
	},
	{
		name:        "MAIL_TEMPLATES",
		defaultText: "none",
		description: "a folder with texts of mails that replace the built-in ones, or add a language ([how](../mail.md))",
		parse:       parseMailTemplates,
	},
	{
		name:         "REQUIRE_VERIFIED_EMAIL",
		defaultValue: "false",
		description: "`true`: nobody signs in before they have opened the link in the mail that shows that their address is theirs, and a registration " +
			"tells nobody whether the address had an account; production needs an `SMTP_URL` for it",
		parse: parseRequireVerified,
	},
	{
		name:         "SECURITY_NOTICES",
		defaultValue: "on",
		description: "mails that tell the owner of an account of a sign-in from a new device or network, many failed sign-ins, a new role " +
			"and its deletion: `on` or `off`",
		parse: enum(func(c *Config) *bool { return &c.SecurityNoticesOff }, "off sends no such mail; mails with a link are sent either way",
			[]string{"on", "off"}, false, true),
	},
	{
		name:         "UNVERIFIED_ACCOUNT_TTL",
		defaultValue: "168h",
		description: "with `REQUIRE_VERIFIED_EMAIL=true`: how long an account is kept that was registered, and never verified or signed in to. " +
			"Accounts from before this setting, and those with another role than `USER`, stay",
		parse: duration(func(c *Config) *time.Duration { return &c.UnverifiedAccountTTL }, time.Second, 0, "write hours: 168h is a week"),
	},
	{
		name:         "COOKIE_SAMESITE",
		defaultValue: "strict",
		description:  "`strict`, `lax` or `none`, which needs an https `PUBLIC_URL`",
		parse:        parseSameSite,
	},
	{
		name:         "HSTS_INCLUDE_SUBDOMAINS",
		defaultValue: "false",
		description:  "`true`: with an https `PUBLIC_URL`, browsers that were here once reach every subdomain of its host by https only, for a year. It is for hosts all of whose subdomains have https",
		parse:        flag(func(c *Config) *bool { return &c.HSTSSubdomains }),
	},
	{
		name:        "CORS_ORIGINS",
		defaultText: "none",
		description: "other origins whose pages may use the API, in a comma list and exact, as in `https://app.example.com`; never `*`. " +
			"In development on the loopback interface, pages of `http://localhost`, `http://127.0.0.1` and `http://[::1]` are allowed as well",
		redact: redactPublicURL,
		parse:  parseOrigins,
	},
	{
		name:        "TRUSTED_PROXIES",
		defaultText: "none",
		description: "the addresses of proxies in front of the server, single ones or ranges as in `10.0.0.0/8`, in a comma list. What they write into " +
			"`X-Forwarded-For` tells who the client is; without them, and from anybody else, that header is ignored",
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
		description: "whether the schema can be asked for",
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
		description: "`HOST:PORT` to listen on for whoever watches the server: `/metrics` and `/debug/pprof/` ([how](../metrics.md)). Everybody who reaches " +
			"it may ask, so it is no address that the internet reaches: `127.0.0.1:9090`",
		parse: parseMetricsAddr,
	},
	{
		name:         "OTEL_SDK_DISABLED",
		defaultValue: "false",
		description:  "`true`: no traces, whatever the others of OpenTelemetry's variables say",
		parse:        flag(func(c *Config) *bool { return &c.Tracing.disabled }),
	},
	{
		name:        "OTEL_TRACES_EXPORTER",
		defaultText: "`otlp` if there is an endpoint, else `none`",
		description: "`otlp` or `none`: whether traces are made and sent ([which](../metrics.md#traces))",
		parse:       parseTracesExporter,
	},
	{
		name:        "OTEL_EXPORTER_OTLP_ENDPOINT",
		defaultText: "none; with `OTEL_TRACES_EXPORTER=otlp`, `http://localhost:4318`",
		description: "the collector that traces go to: a URL, to which `/v1/traces` is added",
		redact:      redactPublicURL,
		parse:       endpoint(func(c *Config) *string { return &c.Tracing.endpoint }),
	},
	{
		name:        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		defaultText: "none",
		description: "the same, in full: nothing is added",
		redact:      redactPublicURL,
		parse:       endpoint(func(c *Config) *string { return &c.Tracing.tracesEndpoint }),
	},
	{
		name:         "OTEL_EXPORTER_OTLP_PROTOCOL",
		defaultValue: "http/protobuf",
		description:  "`http/protobuf`; there is no other",
		parse:        parseOTLPProtocol,
	},
	{
		name:        "OTEL_EXPORTER_OTLP_HEADERS",
		defaultText: "none",
		description: "what the collector wants to know: `NAME=value` in a comma list, as in `Authorization=Basic%20…`",
		secret:      true,
		parse:       parseOTLPHeaders,
	},
	{
		name:         "OTEL_SERVICE_NAME",
		defaultValue: "fieldgate",
		description:  "what the server is called in traces",
		parse:        parseServiceName,
	},
	{
		name:        "OTEL_RESOURCE_ATTRIBUTES",
		defaultText: "none",
		description: "what else traces say of the server: `name=value` in a comma list, as in `deployment.environment.name=staging`",
		parse:       parseResourceAttributes,
	},
	{
		name:         "OTEL_TRACES_SAMPLER",
		defaultValue: "parentbased_always_on",
		description:  "which requests are traced: `always_on`, `always_off` or `traceidratio`, each with or without `parentbased_` in front. Whether a request says that its caller is traced counts for nothing",
		parse: enum(func(c *Config) *string { return &c.Tracing.Sampler }, "parentbased_traceidratio with OTEL_TRACES_SAMPLER_ARG=0.1 traces each tenth request",
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
		parse: enum(func(c *Config) *slog.Level { return &c.LogLevel }, "info is a line a request, warn only what needs attention",
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

// redacted returns what an error may show of a value.
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
	b.WriteString("| variable | default | what it means |\n|---|---|---|\n")
	for _, v := range variables {
		standard := v.defaultText
		if standard == "" {
			standard = "`" + v.defaultValue + "`"
		}
		b.WriteString("| `" + v.name + "` | " + standard + " | " + v.description + " |\n")
	}
	return b.String()
}
