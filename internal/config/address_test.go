package config

import "testing"

func TestListensOnLoopback(t *testing.T) {
	inProduction := production()
	for _, row := range []struct {
		name string
		env  env
		want bool
	}{
		{"development, by default", env{}, true},
		{"development, with a port alone", env{"PORT": "9000"}, true},
		{"development, on every address", env{"ADDR": ":9000"}, false},
		{"development, on every IPv4 address", env{"ADDR": "0.0.0.0:9000"}, false},
		{"development, on every IPv6 address", env{"ADDR": "[::]:9000"}, false},
		{"development, on an address of the network", env{"ADDR": "192.168.1.5:9000"}, false},
		{"development, on a name that is resolved", env{"ADDR": "app.localhost:9000"}, false},
		{"another loopback address", env{"ADDR": "127.1.2.3:9000"}, true},
		{"IPv6's loopback address", env{"ADDR": "[::1]:9000"}, true},
		{"IPv4's in IPv6's form", env{"ADDR": "[::ffff:127.0.0.1]:9000"}, true},
		{"production, by default", inProduction, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := Load(row.env.lookup)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.ListensOnLoopback(); got != row.want {
				t.Errorf("%s: got %v, want %v", c.Addr, got, row.want)
			}
		})
	}
}

var portSamples = samples{
	of: func(c *Config) any { return c.Addr + " " + c.PublicURL.String() },
	rows: []sample{
		{name: "a port", value: "9000", want: "localhost:9000 http://localhost:9000"},
		{name: "white space around it", value: " 9000\n", want: "localhost:9000 http://localhost:9000"},
		{name: "the highest port", value: "65535", want: "localhost:65535 http://localhost:65535"},
		{name: "any free port", value: "0", want: "localhost:0 http://localhost:8080"},
		{name: "the same port as in ADDR", value: "9000", with: env{"ADDR": "127.0.0.1:9000"}, want: "127.0.0.1:9000 http://localhost:9000"},
		{name: "beside a PUBLIC_URL of another port", value: "9000", with: env{"PUBLIC_URL": "http://localhost:3000"}, want: "localhost:9000 http://localhost:3000"},
		{name: "a port of production", value: "9000", with: production(), want: ":9000 https://api.example.com"},
		{name: "one too high", value: "65536", err: badPort(`"65536"`)},
		{name: "below zero", value: "-1", err: badPort(`"-1"`)},
		{name: "a sign", value: "+80", err: badPort(`"+80"`)},
		{name: "a service's name", value: "http", err: badPort(`"http"`)},
		{name: "an address", value: ":9000", err: badPort(`":9000"`)},
	},
}

func badPort(value string) string {
	return "PORT: " + value + " is not usable: expected a port from 0 to 65535. Hint: write the number alone, as in 8080; 0 lets the system pick a free one"
}

var addrSamples = samples{
	of: func(c *Config) any { return c.Addr + " " + c.PublicURL.String() },
	rows: []sample{
		{name: "a port on every address", value: ":9000", want: ":9000 http://localhost:9000"},
		{name: "an IPv4 address", value: "127.0.0.1:9000", want: "127.0.0.1:9000 http://localhost:9000"},
		{name: "an IPv6 address", value: "[::1]:9000", want: "[::1]:9000 http://localhost:9000"},
		{name: "a name", value: "localhost:9000", want: "localhost:9000 http://localhost:9000"},
		{name: "a name in capitals", value: "LOCALHOST:9000", want: "localhost:9000 http://localhost:9000"},
		{name: "nothing in production", value: "", with: production(), want: ":8080 https://api.example.com"},
		{name: "every address, beside its PORT", value: ":9000", with: env{"PORT": "9000"}, want: ":9000 http://localhost:9000"},
		{name: "any free port", value: "127.0.0.1:0", want: "127.0.0.1:0 http://localhost:8080"},
		{name: "nothing, beside a PORT", value: "", with: env{"PORT": "9000"}, want: "localhost:9000 http://localhost:9000"},
		{name: "a port alone", value: "9000", err: badAddr(`"9000"`)},
		{name: "a host alone", value: "localhost", err: badAddr(`"localhost"`)},
		{name: "a host without its port", value: "localhost:", err: badAddr(`"localhost:"`)},
		{name: "a port that is too high", value: ":65536", err: badAddr(`":65536"`)},
		{name: "an IPv6 address without brackets", value: "::1:9000", err: badAddr(`"::1:9000"`)},
		{name: "a URL", value: "http://localhost:9000", err: badAddr(`"http://localhost:9000"`)},
		{name: "a host that is no name", value: "local host:9000", err: badAddr(`"local host:9000"`)},
		{
			name: "another port than PORT", value: "127.0.0.1:9001", with: env{"PORT": "9000"},
			err: `ADDR: "127.0.0.1:9001" is not usable: expected the port that PORT names. Hint: set only one of PORT and ADDR`,
		},
	},
}

func badAddr(value string) string {
	return "ADDR: " + value + " is not usable: expected HOST:PORT or :PORT. Hint: write :8080 to listen on every address, 127.0.0.1:8080 on this machine only"
}

var metricsAddrSamples = samples{
	of: func(c *Config) any { return c.MetricsAddr },
	rows: []sample{
		{name: "a port on this machine", value: "127.0.0.1:9090", want: "127.0.0.1:9090"},
		{name: "a port on every address", value: ":9090", want: ":9090"},
		{name: "any free port", value: "127.0.0.1:0", want: "127.0.0.1:0"},
		{name: "any free port beside any free port", value: "127.0.0.1:0", with: env{"PORT": "0"}, want: "127.0.0.1:0"},
		{name: "a port alone", value: "9090", err: badMetricsAddr(`"9090"`)},
		{name: "a URL", value: "http://localhost:9090", err: badMetricsAddr(`"http://localhost:9090"`)},
		{
			name: "the API's port", value: "127.0.0.1:8080",
			err: `METRICS_ADDR: "127.0.0.1:8080" is not usable: expected a port other than the API's. Hint: API clients must not reach the metrics: choose another port, as in 127.0.0.1:9090`,
		},
	},
}

func badMetricsAddr(value string) string {
	return "METRICS_ADDR: " + value + " is not usable: expected HOST:PORT or :PORT. Hint: write 127.0.0.1:9090 for this machine only; port 0 lets the system pick"
}
