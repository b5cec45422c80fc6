package config

const (
	badAppURL   = " is not usable: expected an absolute http or https URL without query, fragment or user. Hint: write the address of the pages that links in mails open, as in https://app.example.com"
	escapeHint  = ". Hint: in a user or password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"
	smtpHint    = ". Hint: starttls is the default and never falls back to plain text; implicit is for port 465"
	unencrypted = "expected no password with ?tls=none, except for a mail server on this machine. Hint: the password would cross the network unencrypted: use starttls, the default, or ?tls=implicit"
	unsendable  = " is not usable: expected an address that every mail server can send from. Hint: use ASCII without quotes before the @ and a DNS name after it: no-reply@example.com"
	badMailFrom = " is not usable: expected an e-mail address, with or without a name: Fieldgate <no-reply@example.com>. Hint: the mail server must accept it as a sender"
)

var appURLSamples = samples{
	of: func(c *Config) any { return c.AppURL.String() },
	rows: []sample{
		{name: "an origin", value: "https://APP.example.com/", want: "https://app.example.com"},
		{name: "a path", value: "http://localhost:5173/accounts/", want: "http://localhost:5173/accounts"},
		{name: "a path with an escaped slash", value: "https://app.example.com/a%2Fb/", want: "https://app.example.com/a%2Fb"},
		{name: "nothing, beside a PUBLIC_URL", value: "", with: env{"PUBLIC_URL": "https://api.example.com"}, want: "https://api.example.com"},
		{name: "a query", value: "https://app.example.com/?x=1", err: `APP_URL: "https://app.example.com/?x=1"` + badAppURL},
		{name: "a host alone", value: "app.example.com", err: `APP_URL: "app.example.com"` + badAppURL},
		{name: "another scheme", value: "ftp://app.example.com", err: `APP_URL: "ftp://app.example.com"` + badAppURL},
		{name: "a user", value: "https://ada:pw@app.example.com", err: `APP_URL: "https://ada:xxxxx@app.example.com"` + badAppURL},
		{
			name: "http in production", value: "http://app.example.com", with: production(),
			err: `APP_URL: "http://app.example.com" is not usable: expected an https URL in production. Hint: links in mails carry a token`,
		},
	},
}

var smtpURLSamples = samples{
	of: func(c *Config) any { return c.SMTPURL },
	rows: []sample{
		{name: "a server with a password", value: "smtp://ada:p%40ss@mail.example.com:587", want: "smtp://ada:p%40ss@mail.example.com:587"},
		{name: "without one", value: "smtp://localhost:25?tls=none", want: "smtp://localhost:25?tls=none"},
		{name: "without a port", value: "smtp://mail.example.com?tls=implicit", want: "smtp://mail.example.com?tls=implicit"},
		{name: "an unescaped @", value: "smtp://ada:p/x@y@mail.example.com", err: `SMTP_URL: "smtp://…" is not usable: expected ` + smtpURLs + escapeHint},
		{name: "another scheme", value: "smtps://mail.example.com", err: `SMTP_URL: "smtps://mail.example.com" is not usable: expected ` + smtpURLs + ". Hint: write smtp://…?tls=implicit instead of smtps://"},
		{name: "no scheme", value: "mail.example.com:587", err: `SMTP_URL: (not shown) is not usable: expected ` + smtpURLs + escapeHint},
		{name: "an unencrypted password to another machine", value: "smtp://ada:pw@mail.example.com?tls=none", err: `SMTP_URL: "smtp://ada:xxxxx@mail.example.com?…" is not usable: ` + unencrypted},
		{name: "an unencrypted password to this machine", value: "smtp://ada:pw@LOCALHOST:25?tls=none", want: "smtp://ada:pw@LOCALHOST:25?tls=none"},
		{name: "an unencrypted password to an address of this machine", value: "smtp://ada:pw@[::1]:25?tls=none", want: "smtp://ada:pw@[::1]:25?tls=none"},
		{name: "an empty password", value: "smtp://ada:@mail.example.com", err: `SMTP_URL: "smtp://ada:xxxxx@mail.example.com" is not usable: expected ` + smtpURLs + ": a user and a password, or neither. Hint: omit USER:PASSWORD@ if the mail server requires no sign-in"},
		{name: "no host", value: "smtp://", err: `SMTP_URL: "smtp:" is not usable: expected ` + smtpURLs + ", with a host. Hint: the port is 587 if none is written, 465 with ?tls=implicit"},
		{name: "a path", value: "smtp://mail.example.com/x", err: `SMTP_URL: "smtp://mail.example.com/x" is not usable: expected ` + smtpURLs + ", without a path. Hint: in a user or password write / as %2F and # as %23"},
		{name: "a user alone", value: "smtp://ada@mail.example.com", err: `SMTP_URL: "smtp://ada@mail.example.com" is not usable: expected ` + smtpURLs + ": a user and a password, or neither. Hint: omit USER:PASSWORD@ if the mail server requires no sign-in"},
		{name: "an unknown parameter", value: "smtp://mail.example.com?ssl=1", err: `SMTP_URL: "smtp://mail.example.com?…" is not usable: expected no parameter except tls, got "ssl"` + smtpHint},
		{name: "an unknown mode", value: "smtp://mail.example.com?tls=maybe", err: `SMTP_URL: "smtp://mail.example.com?…" is not usable: expected one tls parameter: starttls, implicit or none` + smtpHint},
	},
}

var mailFromSamples = samples{
	of: func(c *Config) any { return c.MailFrom },
	rows: []sample{
		{name: "an address", value: "accounts@example.com", want: "accounts@example.com"},
		{name: "a name and an address", value: "Example <accounts@example.com>", want: "Example <accounts@example.com>"},
		{name: "nothing, beside a PUBLIC_URL", value: "", with: env{"PUBLIC_URL": "https://api.example.com"}, want: "Fieldgate <no-reply@api.example.com>"},
		{name: "unset, with an IP address in PUBLIC_URL", value: "", with: env{"PUBLIC_URL": "http://[::1]:8080"}, want: "Fieldgate <no-reply@localhost>"},
		{name: "unset, with a PUBLIC_URL of a container network", value: "", with: env{"PUBLIC_URL": "http://the_api:8080"}, want: "Fieldgate <no-reply@localhost>"},
		{name: "an international domain", value: "Bücher <info@bücher.example>", want: "Bücher <info@bücher.example>"},
		{name: "letters beyond ASCII before the @", value: "jörg@example.com", err: `MAIL_FROM: "jörg@example.com"` + unsendable},
		{name: "quotes", value: `"a b"@example.com`, err: `MAIL_FROM: "\"a b\"@example.com"` + unsendable},
		{name: "an IP address as the domain", value: "a@[127.0.0.1]", err: `MAIL_FROM: "a@[127.0.0.1]"` + unsendable},
		{name: "an underscore in the domain", value: "a@the_api", err: `MAIL_FROM: "a@the_api"` + unsendable},
		{name: "a line break in an encoded name", value: "=?utf-8?q?a=0Db?= <a@example.com>", err: `MAIL_FROM: "=?utf-8?q?a=0Db?= <a@example.com>" is not usable: expected a name without control characters. Hint: the rule applies to the decoded name`},
		{name: "a name alone", value: "Example", err: `MAIL_FROM: "Example"` + badMailFrom},
		{name: "two addresses", value: "a@example.com, b@example.com", err: `MAIL_FROM: "a@example.com, b@example.com"` + badMailFrom},
		{name: "a line break", value: "a@example.com\r\nBcc: b@example.com", err: `MAIL_FROM: "a@example.com\r\nBcc: b@example.com"` + badMailFrom},
	},
}

var mailTemplatesSamples = samples{
	of: func(c *Config) any { return c.MailTemplates },
	rows: []sample{
		{name: "a folder", value: "/etc/fieldgate/mail/", want: "/etc/fieldgate/mail"},
		{name: "nothing", value: "", want: ""},
		{name: "a line break", value: "mail\n/x", err: `MAIL_TEMPLATES: "mail\n/x" is not usable: expected the name of a directory. Hint: leave it out to use the built-in texts`},
	},
}

var requireVerifiedSamples = samples{
	of: func(c *Config) any { return c.RequireVerifiedEmail },
	rows: []sample{
		{name: "true, in development", value: "TRUE", want: true},
		{name: "nothing", value: "", want: false},
		{name: "another word", value: "yes", err: `REQUIRE_VERIFIED_EMAIL: "yes" is not usable: expected true or false. Hint: write true or false, not 1, 0, yes or on`},
		{
			name: "true, in production without mail", value: "true", with: production(),
			err: `REQUIRE_VERIFIED_EMAIL: "true" is not usable: expected SMTP_URL to be set, too. Hint: without mail, users cannot verify their address and cannot sign in`,
		},
	},
}

var securityNoticesSamples = samples{
	of: func(c *Config) any { return c.SecurityNoticesOff },
	rows: []sample{
		{name: "on", value: "ON", want: false},
		{name: "off in production", value: "off", with: production(), want: true},
		{name: "another word", value: "false", err: `SECURITY_NOTICES: "false" is not usable: expected on or off. Hint: off sends no such mail; mails with a link are sent either way`},
	},
}
