package config

import "fmt"

var proxySamples = samples{
	of: func(c *Config) any { return fmt.Sprint(c.TrustedProxies) },
	rows: []sample{
		{name: "nothing", value: "", want: "[]"},
		{name: "an address", value: "127.0.0.1", want: "[127.0.0.1/32]"},
		{name: "a range", value: "10.0.0.0/8", want: "[10.0.0.0/8]"},
		{name: "a list", value: "127.0.0.1/32, 10.0.0.0/8 ,::1", want: "[127.0.0.1/32 10.0.0.0/8 ::1/128]"},
		{name: "a range by one of its addresses", value: "127.0.0.1/8", want: "[127.0.0.0/8]"},
		{name: "IPv6", value: "2001:DB8::/32,fe80::/10", want: "[2001:db8::/32 fe80::/10]"},
		{name: "IPv4 in IPv6", value: "::ffff:10.0.0.1,::ffff:10.1.0.0/112", want: "[10.0.0.1/32 10.1.0.0/16]"},
		{name: "a name", value: "proxy.internal", err: badProxy(`"proxy.internal"`, "")},
		{name: "a wildcard", value: "*", err: badProxy(`"*"`, "")},
		{name: "a port", value: "10.0.0.1:80", err: badProxy(`"10.0.0.1:80"`, "")},
		{name: "too many bits", value: "10.0.0.1/33", err: badProxy(`"10.0.0.1/33"`, "")},
		{name: "a netmask", value: "10.0.0.0/255.0.0.0", err: badProxy(`"10.0.0.0/255.0.0.0"`, "")},
		{name: "half an address", value: "10.0/16", err: badProxy(`"10.0/16"`, "")},
		{name: "a zone", value: "fe80::1%eth0", err: badProxy(`"fe80::1%eth0"`, "")},
		{name: "a space in place of a comma", value: "10.0.0.1 10.0.0.2", err: badProxy(`"10.0.0.1 10.0.0.2"`, "")},
		{name: "a wrong one in a list", value: "10.0.0.1,nonsense", err: badProxy(`"10.0.0.1,nonsense"`, " (range 2 of 2)")},
		{name: "all addresses of IPv4", value: "0.0.0.0/0", err: badProxyRange(`"0.0.0.0/0"`)},
		{name: "all addresses of IPv6", value: "::/0", err: badProxyRange(`"::/0"`)},
		{name: "all addresses of IPv4 in IPv6", value: "::ffff:0.0.0.0/96", err: badProxyRange(`"::ffff:0.0.0.0/96"`)},
		{
			name: "a comma at the end", value: "10.0.0.1,",
			err: `TRUSTED_PROXIES: "10.0.0.1," is not usable: expected no empty element in the comma-separated list (range 2 of 2). Hint: remove the extra comma`,
		},
		{
			name: "the same twice", value: "10.0.0.0/8,10.0.0.1/8",
			err: `TRUSTED_PROXIES: "10.0.0.0/8,10.0.0.1/8" is not usable: expected each range once (range 2 of 2). ` +
				"Hint: 10.0.0.1/8 is the same range as 10.0.0.0/8, and 10.0.0.1 the same as 10.0.0.1/32",
		},
	},
}

func badProxy(value, which string) string {
	return "TRUSTED_PROXIES: " + value + " is not usable: expected IP addresses or ranges, ADDRESS/BITS" + which +
		". Hint: write the addresses that your proxies call from, as in 10.0.0.0/8,2001:db8::1; names are not looked up"
}

func badProxyRange(value string) string {
	return "TRUSTED_PROXIES: " + value + " is not usable: expected no range that covers all addresses. " +
		"Hint: any client could then forge its address; write only the addresses of your proxies"
}
