package config

import "strings"

var publicURLSamples = samples{
	of: func(c *Config) any { return c.PublicURL.String() },
	rows: []sample{
		{name: "an https origin", value: "https://api.example.com", want: "https://api.example.com"},
		{name: "an http origin in development", value: "http://192.168.1.5:8080", want: "http://192.168.1.5:8080"},
		{name: "a trailing slash", value: "https://api.example.com/", want: "https://api.example.com"},
		{name: "white space around it", value: " https://api.example.com\n", want: "https://api.example.com"},
		{name: "upper case", value: "HTTPS://API.Example.com", want: "https://api.example.com"},
		{name: "the scheme's own port", value: "https://api.example.com:443", want: "https://api.example.com"},
		{name: "the other scheme's port", value: "https://api.example.com:80", want: "https://api.example.com:80"},
		{name: "an IPv6 address", value: "http://[::1]:8080", want: "http://[::1]:8080"},
		{name: "an IPv6 address without a port", value: "http://[::1]/", want: "http://[::1]"},
		{name: "the last port", value: "http://localhost:65535", want: "http://localhost:65535"},
		{name: "no scheme", value: "api.example.com", err: badPublicURL(`"api.example.com"`)},
		{name: "no scheme but a port", value: "localhost:8080", err: badPublicURL(`"localhost:8080"`)},
		{name: "another scheme", value: "ftp://example.com", err: badPublicURL(`"ftp://example.com"`)},
		{name: "no host", value: "https://", err: badPublicURL(`"https://"`)},
		{name: "no host but a port", value: "https://:8080", err: badPublicURL(`"https://:8080"`)},
		{name: "a colon without a port", value: "https://example.com:", err: badPublicURL(`"https://example.com:"`)},
		{name: "a port that is too high", value: "https://example.com:65536", err: badPublicURL(`"https://example.com:65536"`)},
		{name: "port 0", value: "https://example.com:0", err: badPublicURL(`"https://example.com:0"`)},
		{name: "a path", value: "https://example.com/api", err: badPublicURL(`"https://example.com/api"`)},
		{name: "two slashes", value: "https://example.com//", err: badPublicURL(`"https://example.com//"`)},
		{name: "a query", value: "https://example.com/?a=b", err: badPublicURL(`"https://example.com/?a=b"`)},
		{name: "an empty query", value: "https://example.com?", err: badPublicURL(`"https://example.com?"`)},
		{name: "a fragment", value: "https://example.com#a", err: badPublicURL(`"https://example.com#a"`)},
		{name: "an empty fragment", value: "https://example.com#", err: badPublicURL(`"https://example.com#"`)},
		{name: "a user", value: "https://admin@example.com", err: badPublicURL(`"https://admin@example.com"`)},
		{name: "a password", value: "https://admin:hunter2@example.com", err: badPublicURL(`"https://admin:xxxxx@example.com"`)},
		{name: "an international name", value: "https://bücher.example", err: badPublicURL(`"https://bücher.example"`)},
		{name: "a list", value: "https://a.example,https://b.example", err: badPublicURL(`"https://a.example,https://b.example"`)},
		{name: "a line break", value: "https://a.example\nSet-Cookie: b", err: badPublicURL(`"https://a.example\nSet-Cookie: b"`)},
	},
}

func badPublicURL(value string) string {
	return "PUBLIC_URL: " + value + " is not usable: expected an absolute http or https URL without path, query, fragment or user. " +
		"Hint: write the address that clients use, as in https://api.example.com"
}

var allowedHostSamples = samples{
	of: func(c *Config) any { return strings.Join(c.KnownHosts(), " and ") },
	rows: []sample{
		{name: "a name", value: "my-laptop.local", want: "localhost and my-laptop.local"},
		{name: "a list", value: "host.docker.internal, fieldgate", want: "localhost and host.docker.internal and fieldgate"},
		{name: "capitals and a dot at the end", value: "My-Laptop.Local.", want: "localhost and my-laptop.local"},
		{name: "an address, which is allowed anyway", value: "192.168.1.5", want: "localhost and 192.168.1.5"},
		{name: "beside a PUBLIC_URL with a port", value: "b.example", with: env{"PUBLIC_URL": "https://A.example:8443"}, want: "a.example and b.example"},
		{name: "nothing", value: "", want: "localhost"},
		{name: "every host", value: "*", err: badAllowedHost(`"*"`, "")},
		{name: "every subdomain", value: "*.example.com", err: badAllowedHost(`"*.example.com"`, "")},
		{name: "every subdomain, as in Django", value: ".example.com", err: badAllowedHost(`".example.com"`, "")},
		{name: "a port", value: "my-laptop.local:8080", err: badAllowedHost(`"my-laptop.local:8080"`, "")},
		{name: "a URL", value: "a.example,http://b.example", err: badAllowedHost(`"a.example,http://b.example"`, " (host 2 of 2)")},
		{
			name: "the same twice", value: "a.example,A.EXAMPLE.",
			err: `ALLOWED_HOSTS: "a.example,A.EXAMPLE." is not usable: expected each host once (host 2 of 2). Hint: upper case and a dot at the end make no difference`,
		},
	},
}

func badAllowedHost(value, which string) string {
	return "ALLOWED_HOSTS: " + value + " is not usable: expected exact host names, without scheme, port and *" + which +
		". Hint: name each host that clients use, as in host.docker.internal,my-laptop.local"
}
