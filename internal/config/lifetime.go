package config

import (
	"strings"
	"time"
)

// lifetime returns a parser for a duration of at least one second and, unless atMost is 0, at most
// atMost.
func lifetime(field func(*Config) *time.Duration, atMost time.Duration) parser {
	return duration(field, time.Second, atMost, "a duration has a unit, h, m or s: write 15m, or 168h for a week")
}

// duration returns a parser for a duration from low to high. A high of 0 means no limit.
func duration(field func(*Config) *time.Duration, low, high time.Duration, hint string) parser {
	expected := "a duration of at least " + shortDuration(low)
	if high > 0 {
		expected = "a duration from " + shortDuration(low) + " to " + shortDuration(high)
	}
	return func(c *Config, value string) *valueError {
		d, err := time.ParseDuration(value)
		if err != nil || d < low || high > 0 && d > high {
			return &valueError{expected, hint}
		}
		*field(c) = d
		return nil
	}
}

// defaultSessionMaxAge returns 30 days, or REMEMBER_ME_TTL if that is longer.
func defaultSessionMaxAge(c *Config) string {
	return max(30*24*time.Hour, c.RememberMeTTL).String()
}

// Accessors of the fields that alignLifetimes compares.
func accessTokenTTL(c *Config) *time.Duration  { return &c.AccessTokenTTL }
func refreshTokenTTL(c *Config) *time.Duration { return &c.RefreshTokenTTL }
func rememberMeTTL(c *Config) *time.Duration   { return &c.RememberMeTTL }
func sessionMaxAge(c *Config) *time.Duration   { return &c.SessionMaxAge }

// lifetimes are ordered from the shortest to the longest. hint explains why a lifetime must not
// exceed the next.
var lifetimes = []struct {
	name  string
	field func(*Config) *time.Duration
	hint  string
}{
	{"ACCESS_TOKEN_TTL", accessTokenTTL, "a session would expire before its access token"},
	{"REFRESH_TOKEN_TTL", refreshTokenTTL, "a remember-me session would be shorter than an ordinary one"},
	{"REMEMBER_ME_TTL", rememberMeTTL, "an idle timeout longer than the maximum age would have no effect"},
	{"SESSION_MAX_AGE", sessionMaxAge, ""},
}

// alignLifetimes ensures that no lifetime exceeds the next. A default is lowered, so that setting
// SESSION_MAX_AGE alone is enough for sessions of a day. A value that the operator has set is
// refused instead.
func (r *loader) alignLifetimes() {
	for i := len(lifetimes) - 2; i >= 0; i-- {
		short, long := lifetimes[i], lifetimes[i+1]
		s, l := short.field(r.config), long.field(r.config)
		switch {
		case *s <= *l || *l == 0: // 0 was refused before
		case r.set[short.name] == "":
			*s = *l
		case r.set[long.name] != "":
			r.addError(long.name, &valueError{"at least " + short.name + ", which is " + shortDuration(*s), short.hint})
		default:
			r.addError(short.name, &valueError{"at most " + long.name + ", which is " + shortDuration(*l), short.hint})
		}
	}
}

// shortDuration writes 1h where Duration.String writes 1h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
