package config

import (
	"strings"
	"time"
)

// lifetime reads a duration that is at least a second and, unless atMost is 0, at most that.
func lifetime(field func(*Config) *time.Duration, atMost time.Duration) parser {
	return duration(field, time.Second, atMost, "a duration has a unit, h, m or s: write 15m, or 168h for a week")
}

// duration reads one from low to high; a high of 0 is no limit.
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

// defaultSessionMaxAge is 30 days, or what remember me takes.
func defaultSessionMaxAge(c *Config) string {
	return max(30*24*time.Hour, c.RememberMeTTL).String()
}

// The fields that lifetimes are compared in.
func accessTokenTTL(c *Config) *time.Duration  { return &c.AccessTokenTTL }
func refreshTokenTTL(c *Config) *time.Duration { return &c.RefreshTokenTTL }
func rememberMeTTL(c *Config) *time.Duration   { return &c.RememberMeTTL }
func sessionMaxAge(c *Config) *time.Duration   { return &c.SessionMaxAge }

// lifetimes are all of them, from the shortest to the longest. Beyond is what would happen if one were longer than
// the next.
var lifetimes = []struct {
	name   string
	field  func(*Config) *time.Duration
	beyond string
}{
	{"ACCESS_TOKEN_TTL", accessTokenTTL, "a session would lapse while its access token still counts"},
	{"REFRESH_TOKEN_TTL", refreshTokenTTL, "remember me would shorten a session"},
	{"REMEMBER_ME_TTL", rememberMeTTL, "an idle limit beyond the absolute one would never be reached"},
	{"SESSION_MAX_AGE", sessionMaxAge, ""},
}

// alignLifetimes sees to it that none is longer than the next. A default gives way, so that whoever wants sessions
// of a day sets SESSION_MAX_AGE alone; what the operator has set does not, and is refused.
func (r *loader) alignLifetimes() {
	for i := len(lifetimes) - 2; i >= 0; i-- {
		short, long := lifetimes[i], lifetimes[i+1]
		s, l := short.field(r.config), long.field(r.config)
		switch {
		case *s <= *l || *l == 0: // 0 has been refused already
		case r.set[short.name] == "":
			*s = *l
		case r.set[long.name] != "":
			r.addError(long.name, &valueError{"at least " + short.name + ", which is " + shortDuration(*s), short.beyond})
		default:
			r.addError(short.name, &valueError{"at most " + long.name + ", which is " + shortDuration(*l), short.beyond})
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
