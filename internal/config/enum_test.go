package config

import (
	"log/slog"
	"net/http"
)

var envSamples = samples{
	of: func(c *Config) any { return c.Production },
	rows: []sample{
		{name: "development", value: "development", want: false},
		{name: "production", value: "production", with: production(), want: true},
		{name: "any case", value: "Production", with: production(), want: true},
		{name: "short for production", value: "prod", err: `ENV: "prod" is not usable: expected development or production. Hint: did you mean production?`},
		{name: "a slip in production", value: "PRODUTION", err: `ENV: "PRODUTION" is not usable: expected development or production. Hint: did you mean production?`},
		{name: "short for development", value: "dev", err: `ENV: "dev" is not usable: expected development or production. Hint: did you mean development?`},
		{name: "another one", value: "staging", err: `ENV: "staging" is not usable: expected development or production. Hint: use development everywhere except in production`},
		{name: "too short for a guess", value: "pr", err: `ENV: "pr" is not usable: expected development or production. Hint: use development everywhere except in production`},
	},
}

var sameSiteSamples = samples{
	of: func(c *Config) any { return c.CookieSameSite },
	rows: []sample{
		{name: "strict", value: "strict", want: http.SameSiteStrictMode},
		{name: "lax", value: "Lax", want: http.SameSiteLaxMode},
		{name: "none over https", value: "none", with: env{"PUBLIC_URL": "https://api.example.com"}, want: http.SameSiteNoneMode},
		{name: "none over http", value: "none", err: `COOKIE_SAMESITE: "none" is not usable: expected strict or lax while PUBLIC_URL is not https. Hint: browsers drop a cookie with SameSite=None that is not Secure`},
		{name: "another word", value: "default", err: `COOKIE_SAMESITE: "default" is not usable: expected strict, lax or none. Hint: strict is the safest, none is for a frontend on another site`},
	},
}

var limitSamples = samples{
	of: func(c *Config) any { return c.LimitsOff },
	rows: []sample{
		{name: "on", value: "ON", want: false},
		{name: "on in production", value: "on", with: production(), want: false},
		{name: "off", value: "off", want: true},
		{name: "off in production", value: "off", with: production(), err: `LIMITS: "off" is not usable: expected on in production. Hint: off is for load tests: without limits, passwords can be guessed as fast as the server hashes`},
		{name: "another word", value: "false", err: `LIMITS: "false" is not usable: expected on or off. Hint: rate limits stop password guessing; off is for load tests`},
	},
}

const trueOrFalse = " is not usable: expected true or false. Hint: "

var introspectionSamples = samples{
	of: func(c *Config) any { return c.Introspection },
	rows: []sample{
		{name: "on in production", value: "true", with: production(), want: true},
		{name: "off in development", value: "FALSE", want: false},
		{name: "a number", value: "1", err: `INTROSPECTION: "1"` + trueOrFalse + "write true or false, not 1, 0, yes or on"},
		{name: "a slip", value: "flase", err: `INTROSPECTION: "flase"` + trueOrFalse + "write true or false, not 1, 0, yes or on"},
	},
}

var autoMigrateSamples = samples{
	of: func(c *Config) any { return c.AutoMigrate },
	rows: []sample{
		{name: "on", value: "True", want: true},
		{name: "off in production", value: "false", with: production(), want: false},
		{name: "a word for it", value: "off", err: `AUTO_MIGRATE: "off"` + trueOrFalse + "write true or false, not 1, 0, yes or on"},
	},
}

var playgroundSamples = samples{
	of: func(c *Config) any { return c.Playground },
	rows: []sample{
		{name: "on in production", value: "true", with: production(), want: true},
		{name: "off in development", value: "false", want: false},
		{name: "another word", value: "off", err: `PLAYGROUND: "off"` + trueOrFalse + "write true or false, not 1, 0, yes or on"},
		{name: "a slip", value: "truee", err: `PLAYGROUND: "truee"` + trueOrFalse + "did you mean true?"},
	},
}

var logFormatSamples = samples{
	of: func(c *Config) any { return c.LogFormat },
	rows: []sample{
		{name: "json in development", value: "json", want: "json"},
		{name: "text in production", value: "TEXT", with: production(), want: "text"},
		{name: "another format", value: "xml", err: `LOG_FORMAT: "xml" is not usable: expected text or json. Hint: json is for machines, text for people`},
	},
}

var logLevelSamples = samples{
	of: func(c *Config) any { return c.LogLevel },
	rows: []sample{
		{name: "debug", value: "debug", want: slog.LevelDebug},
		{name: "info", value: "INFO", want: slog.LevelInfo},
		{name: "warn", value: "warn", want: slog.LevelWarn},
		{name: "error", value: "error", want: slog.LevelError},
		{name: "the long form of warn", value: "warning", err: `LOG_LEVEL: "warning" is not usable: expected debug, info, warn or error. Hint: did you mean warn?`},
		{name: "another level", value: "trace", err: `LOG_LEVEL: "trace" is not usable: expected debug, info, warn or error. Hint: info logs one line per request, warn only what needs attention`},
	},
}

var hstsSamples = samples{
	of: func(c *Config) any { return c.HSTSSubdomains },
	rows: []sample{
		{name: "true", value: "true", want: true},
		{name: "nothing", value: "", want: false},
		{name: "another word", value: "1", err: `HSTS_INCLUDE_SUBDOMAINS: "1" is not usable: expected true or false. Hint: write true or false, not 1, 0, yes or on`},
	},
}
