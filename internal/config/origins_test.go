package config

import "strings"

var originSamples = samples{
	of: func(c *Config) any { return strings.Join(c.CORSOrigins, " and ") },
	rows: []sample{
		{name: "an origin", value: "https://app.example.com", want: "https://app.example.com"},
		{name: "a list", value: "https://app.example.com, http://localhost:3000", want: "https://app.example.com and http://localhost:3000"},
		{name: "upper case, a slash and the default port", value: "HTTPS://App.Example.com:443/", want: "https://app.example.com"},
		{name: "the other scheme's port", value: "http://app.example.com:443", want: "http://app.example.com:443"},
		{name: "an IPv6 address", value: "http://[::1]:3000", want: "http://[::1]:3000"},
		{name: "one scheme and the other", value: "https://app.example.com,http://app.example.com", want: "https://app.example.com and http://app.example.com"},
		{name: "nothing", value: "", want: ""},
		{name: "a wildcard", value: "*", err: badOrigin(`"*"`, "")},
		{name: "a wildcard in a list", value: "https://app.example.com,*", err: badOrigin(`"https://app.example.com,*"`, " (origin 2 of 2)")},
		{name: "every subdomain", value: "https://*.example.com", err: badOrigin(`"https://*.example.com"`, "")},
		{name: "null, the origin of sandboxed frames", value: "null", err: badOrigin(`"null"`, "")},
		{name: "a path", value: "https://app.example.com/app", err: badOrigin(`"https://app.example.com/app"`, "")},
		{name: "a query", value: "https://app.example.com?", err: badOrigin(`"https://app.example.com?"`, "")},
		{name: "a host without its scheme", value: "app.example.com", err: badOrigin(`"app.example.com"`, "")},
		{name: "another scheme", value: "chrome-extension://abcdef", err: badOrigin(`"chrome-extension://abcdef"`, "")},
		{name: "a file", value: "file://", err: badOrigin(`"file://"`, "")},
		{name: "a pattern", value: `https://(a|b)\.example`, err: badOrigin(`"https://(a|b)\\.example"`, "")},
		{name: "a port that is none", value: "https://app.example.com:https", err: badOrigin(`"https://app.example.com:https"`, "")},
		{name: "a password", value: "https://admin:hunter2@app.example.com", err: badOrigin(`"https://admin:xxxxx@app.example.com"`, "")},
		{name: "a password in a list", value: "https://a.example,https://admin:hunter2@b.example", err: badOrigin(`"https://…"`, " (origin 2 of 2)")},
		{name: "a space in place of a comma", value: "https://a.example https://b.example", err: badOrigin(`"https://a.example https://b.example"`, "")},
		{
			name: "a comma at the start", value: ",https://a.example",
			err: `CORS_ORIGINS: ",https://a.example" is not usable: expected no empty element in the comma-separated list (origin 1 of 2). Hint: remove the extra comma`,
		},
		{
			name: "the same twice", value: "https://a.example,https://A.example:443",
			err: `CORS_ORIGINS: "https://a.example,https://A.example:443" is not usable: expected each origin once (origin 2 of 2). ` +
				"Hint: upper case, a slash at the end and the scheme's own port make no difference",
		},
	},
}

func badOrigin(value, which string) string {
	return "CORS_ORIGINS: " + value + " is not usable: expected exact http or https origins, SCHEME://HOST or SCHEME://HOST:PORT, " +
		"without path, and neither * nor null" + which + ". Hint: name each origin whose pages may use the API, as in https://app.example.com,http://localhost:3000"
}
