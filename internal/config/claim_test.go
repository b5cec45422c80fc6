package config

import "strings"

var issuerSamples = samples{
	of: func(c *Config) any { return c.JWTIssuer },
	rows: []sample{
		{name: "a URL, kept to the byte", value: "HTTPS://id.example.com/", want: "HTTPS://id.example.com/"},
		{name: "a name", value: "fieldgate", want: "fieldgate"},
		{name: "nothing, beside a PUBLIC_URL", value: "", with: env{"PUBLIC_URL": "https://api.example.com/"}, want: "https://api.example.com"},
		{name: "the longest", value: strings.Repeat("x", 255), want: strings.Repeat("x", 255)},
		{name: "one too long", value: strings.Repeat("x", 256), err: badClaim("JWT_ISSUER", `"`+strings.Repeat("x", 80)+`…"`)},
		{name: "white space within", value: "my issuer", err: badClaim("JWT_ISSUER", `"my issuer"`)},
	},
}

var audienceSamples = samples{
	of: func(c *Config) any { return c.JWTAudience },
	rows: []sample{
		{name: "a name", value: "orders", want: "orders"},
		{name: "nothing, beside a JWT_ISSUER", value: "", with: env{"JWT_ISSUER": "id"}, want: "http://localhost:8080"},
		{name: "a control character", value: "a\x1b[31mb", err: badClaim("JWT_AUDIENCE", `"a\x1b[31mb"`)},
		{name: "a line break", value: "a\nb", err: badClaim("JWT_AUDIENCE", `"a\nb"`)},
		{name: "an invisible character", value: "a\u202eb", err: badClaim("JWT_AUDIENCE", `"a\u202eb"`)},
		{name: "no UTF-8", value: "a\xffb", err: badClaim("JWT_AUDIENCE", `"a\xffb"`)},
	},
}

func badClaim(variable, value string) string {
	return variable + ": " + value + " is not usable: expected at most 255 bytes of text without white space. Hint: leave it out to use PUBLIC_URL"
}
