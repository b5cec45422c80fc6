package config

import (
	"testing"
	"time"
)

const withUnit = ". Hint: a duration has a unit, h, m or s: write 15m, or 168h for a week"

var accessTokenSamples = samples{
	of: func(c *Config) any { return c.AccessTokenTTL },
	rows: []sample{
		{name: "minutes", value: "5m", want: 5 * time.Minute},
		{name: "a mixture", value: "1m30s", want: 90 * time.Second},
		{name: "the shortest", value: "1s", want: time.Second},
		{name: "the longest", value: "1h", want: time.Hour},
		{name: "equal to the idle timeout of a session", value: "1m", with: env{"REFRESH_TOKEN_TTL": "1m"}, want: time.Minute},
		{name: "unset, with shorter sessions", value: "", with: env{"REFRESH_TOKEN_TTL": "1m"}, want: time.Minute},
		{name: "unset, with a shorter maximum age", value: "", with: env{"SESSION_MAX_AGE": "5s"}, want: 5 * time.Second},
		{name: "below a second", value: "999ms", err: badAccessTTL(`"999ms"`)},
		{name: "above an hour", value: "1h1ns", err: badAccessTTL(`"1h1ns"`)},
		{name: "nothing at all", value: "0", err: badAccessTTL(`"0"`)},
		{name: "below zero", value: "-15m", err: badAccessTTL(`"-15m"`)},
		{name: "a bare number", value: "900", err: badAccessTTL(`"900"`)},
		{name: "quotes", value: `"15m"`, err: badAccessTTL(`"\"15m\""`)},
		{
			name: "longer than the default idle timeout", value: "30m", with: env{"REMEMBER_ME_TTL": "10m"},
			err: `ACCESS_TOKEN_TTL: "30m" is not usable: expected at most REFRESH_TOKEN_TTL, which is 10m. Hint: a session would expire before its access token`,
		},
	},
}

func badAccessTTL(value string) string {
	return "ACCESS_TOKEN_TTL: " + value + " is not usable: expected a duration from 1s to 1h" + withUnit
}

var refreshTokenSamples = samples{
	of: func(c *Config) any { return c.RefreshTokenTTL },
	rows: []sample{
		{name: "hours", value: "24h", want: 24 * time.Hour},
		{name: "the shortest", value: "1s", want: time.Second},
		{name: "as long as remember me", value: "720h", want: 720 * time.Hour},
		{name: "unset, with a shorter remember-me timeout", value: "", with: env{"REMEMBER_ME_TTL": "1h"}, want: time.Hour},
		{name: "a bare number", value: "168", err: `REFRESH_TOKEN_TTL: "168" is not usable: expected a duration of at least 1s` + withUnit},
		{name: "days", value: "7d", err: `REFRESH_TOKEN_TTL: "7d" is not usable: expected a duration of at least 1s` + withUnit},
		{name: "below a second", value: "999ms", err: `REFRESH_TOKEN_TTL: "999ms" is not usable: expected a duration of at least 1s` + withUnit},
		{
			name: "shorter than an access token", value: "5m", with: env{"ACCESS_TOKEN_TTL": "10m"},
			err: `REFRESH_TOKEN_TTL: "5m" is not usable: expected at least ACCESS_TOKEN_TTL, which is 10m. Hint: a session would expire before its access token`,
		},
		{
			name: "longer than remember me by default", value: "720h1s",
			err: `REFRESH_TOKEN_TTL: "720h1s" is not usable: expected at most REMEMBER_ME_TTL, which is 720h. Hint: a remember-me session would be shorter than an ordinary one`,
		},
	},
}

var rememberMeSamples = samples{
	of: func(c *Config) any { return c.RememberMeTTL },
	rows: []sample{
		{name: "hours", value: "1000h", want: 1000 * time.Hour},
		{name: "as long as an ordinary session", value: "24h", with: env{"REFRESH_TOKEN_TTL": "24h"}, want: 24 * time.Hour},
		{name: "longer than a session lasts by default", value: "2160h", want: 2160 * time.Hour},
		{name: "unset, with a shorter maximum age", value: "", with: env{"SESSION_MAX_AGE": "24h"}, want: 24 * time.Hour},
		{name: "a bare number", value: "30", err: `REMEMBER_ME_TTL: "30" is not usable: expected a duration of at least 1s` + withUnit},
		{
			name: "shorter than an ordinary session", value: "23h59m59s", with: env{"REFRESH_TOKEN_TTL": "24h"},
			err: `REMEMBER_ME_TTL: "23h59m59s" is not usable: expected at least REFRESH_TOKEN_TTL, which is 24h. Hint: a remember-me session would be shorter than an ordinary one`,
		},
	},
}

var maxAgeSamples = samples{
	of: func(c *Config) any { return c.SessionMaxAge },
	rows: []sample{
		{name: "a year", value: "8760h", want: 8760 * time.Hour},
		{name: "nothing", value: "", want: 720 * time.Hour},
		{name: "unset, with a longer remember-me timeout", value: "", with: env{"REMEMBER_ME_TTL": "1440h"}, want: 1440 * time.Hour},
		{name: "unset, with a shorter remember-me timeout", value: "", with: env{"REMEMBER_ME_TTL": "240h"}, want: 720 * time.Hour},
		{name: "the shortest", value: "1s", want: time.Second},
		{name: "zero does not mean unlimited", value: "0s", err: `SESSION_MAX_AGE: "0s" is not usable: expected a duration of at least 1s` + withUnit},
		{name: "a duration that overflows", value: "9999999h", err: `SESSION_MAX_AGE: "9999999h" is not usable: expected a duration of at least 1s` + withUnit},
		{
			name: "shorter than remember me", value: "24h", with: env{"REMEMBER_ME_TTL": "48h"},
			err: `SESSION_MAX_AGE: "24h" is not usable: expected at least REMEMBER_ME_TTL, which is 48h. Hint: an idle timeout longer than the maximum age would have no effect`,
		},
	},
}

var recheckSamples = samples{
	of: func(c *Config) any { return c.SessionRecheck },
	rows: []sample{
		{name: "seconds", value: "5s", want: 5 * time.Second},
		{name: "less than a second", value: "250ms", want: 250 * time.Millisecond},
		{name: "the longest", value: "1m", want: time.Minute},
		{name: "zero", value: "0s", want: time.Duration(0)},
		{name: "zero without a unit", value: "0", want: time.Duration(0)},
		{name: "longer than the maximum", value: "61s", err: badRecheck(`"61s"`)},
		{name: "below zero", value: "-1s", err: badRecheck(`"-1s"`)},
		{name: "a bare number", value: "5", err: badRecheck(`"5"`)},
	},
}

var retentionSamples = samples{
	of: func(c *Config) any { return c.AuditRetention },
	rows: []sample{
		{name: "a quarter", value: "2160h", want: 2160 * time.Hour},
		{name: "nothing", value: "", want: 8760 * time.Hour},
		{name: "a minute", value: "1m", err: `AUDIT_RETENTION: "1m" is not usable: expected a duration from 24h to 87600h. Hint: write hours: 8760h is a year`},
	},
}

var unverifiedSamples = samples{
	of: func(c *Config) any { return c.UnverifiedAccountTTL },
	rows: []sample{
		{name: "a day", value: "24h", want: 24 * time.Hour},
		{name: "nothing", value: "", want: 168 * time.Hour},
		{name: "no unit", value: "7", err: `UNVERIFIED_ACCOUNT_TTL: "7" is not usable: expected a duration of at least 1s. Hint: write hours: 168h is a week`},
	},
}

func badRecheck(value string) string {
	return "SESSION_RECHECK: " + value + " is not usable: expected a duration from 0s to 1m. " +
		"Hint: 0s queries the database on every request; 5s avoids most of these queries"
}

func TestEveryContradictingLifetimeIsReported(t *testing.T) {
	_, err := Load(env{"ACCESS_TOKEN_TTL": "40m", "REFRESH_TOKEN_TTL": "30m", "REMEMBER_ME_TTL": "20m", "SESSION_MAX_AGE": "10m"}.lookup)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 3 {
		t.Errorf("got error %v, want three joined errors", err)
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "1h", 10 * time.Hour: "10h", time.Hour + 10*time.Minute: "1h10m", 10 * time.Minute: "10m",
		10 * time.Second: "10s", 0: "0s", time.Hour + 10*time.Second: "1h0m10s", 90 * time.Second: "1m30s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
