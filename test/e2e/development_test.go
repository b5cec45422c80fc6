package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fieldgate/internal/cli"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/server"
	"fieldgate/servertest"
)

// runServeCommand runs serve in this process until the test ends. It returns the log and the record
// with the message "serving".
func runServeCommand(t *testing.T, env map[string]string) (log *servertest.Log, serving map[string]any) {
	t.Helper()
	log = &servertest.Log{}
	read, write := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		cli.Main(ctx, cli.Console{
			Args:   []string{"fieldgate"},
			Lookup: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
			Stdin:  strings.NewReader(""), Stdout: write, Stderr: write,
		})
		_ = write.Close()
	})
	t.Cleanup(func() { stop(); running.Wait() })
	lines := bufio.NewScanner(io.TeeReader(read, log))
	for lines.Scan() {
		var record map[string]any
		if json.Unmarshal(lines.Bytes(), &record) == nil && record["msg"] == "serving" {
			running.Go(func() {
				for lines.Scan() { // drains the pipe
				}
			})
			return log, record
		}
	}
	t.Fatalf("the server did not start:\n%s", log)
	return nil, nil
}

// nonLoopbackAddress returns an IPv4 address of this machine that is not on the loopback interface.
func nonLoopbackAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	requireNoError(t, err)
	for _, a := range list {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() {
			return ip.IP.String()
		}
	}
	dbtest.SkipOrFail(t, "a second network interface", "this machine has only the loopback interface")
	return ""
}

// developmentEnv returns an environment without ENV.
func developmentEnv(t *testing.T, more ...string) map[string]string {
	t.Helper()
	env := map[string]string{"DATABASE_URL": dbtest.SQLite(t), "LOG_FORMAT": "json", "PORT": "0"}
	for i := 0; i < len(more); i += 2 {
		env[more[i]] = more[i+1]
	}
	return env
}

func canConnect(address string) bool {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func TestDevelopmentServerListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	outside := nonLoopbackAddress(t)
	_, serving := runServeCommand(t, developmentEnv(t))
	port := portOf(t, serving["listen"].(string))
	if !canConnect("127.0.0.1:" + port) {
		t.Error("127.0.0.1 does not reach the server")
	}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil { // IPv6 is available
		requireNoError(t, l.Close())
		if !canConnect("[::1]:" + port) {
			t.Error("[::1] does not reach the server")
		}
	}
	if canConnect(net.JoinHostPort(outside, port)) {
		t.Errorf("%s reaches a development server", outside)
	}
}

func TestDevelopmentServerListensOnADDR(t *testing.T) {
	t.Parallel()
	outside := nonLoopbackAddress(t)
	_, serving := runServeCommand(t, developmentEnv(t, "PORT", "", "ADDR", ":0"))
	port := portOf(t, serving["listen"].(string))
	response, err := http.Get("http://" + net.JoinHostPort(outside, port) + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	requireNoError(t, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestProductionServerListensOnEveryAddress(t *testing.T) {
	t.Parallel()
	outside := nonLoopbackAddress(t)
	_, serving := runServeCommand(t, developmentEnv(t, "ENV", "production", "PUBLIC_URL", "https://api.example.com", "JWT_SECRET", servertest.Secret))
	if !canConnect(net.JoinHostPort(outside, portOf(t, serving["listen"].(string)))) {
		t.Errorf("%s does not reach a production server", outside)
	}
}

func TestPortInUseOnOneLoopbackAddressStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			taken, err := net.Listen("tcp", address)
			if err != nil {
				dbtest.SkipOrFail(t, address, err.Error())
			}
			defer taken.Close()
			status, _, stderr := servertest.RunCLI(t, developmentEnv(t, "PORT", portOf(t, taken.Addr().String()), "LOG_LEVEL", "error"), "")
			if status != cli.StatusFailed || !strings.Contains(stderr, taken.Addr().String()) || !strings.Contains(stderr, "in use") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, %s", status, stderr)
			}
		})
	}
}

// rawStatus sends the bytes of a request unchanged and returns the status of the response.
func rawStatus(t *testing.T, address, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	requireNoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, request)
	requireNoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	requireNoError(t, err)
	defer response.Body.Close()
	return response.StatusCode
}

// hostCases are Host headers, and whether a development server with
// PUBLIC_URL=http://public.example:3000 and ALLOWED_HOSTS=listed.example accepts them.
var hostCases = []struct {
	name, host string
	allowed    bool
}{
	{"an IPv4 address", "127.0.0.1:8080", true},
	{"a private IPv4 address", "192.168.1.5:8080", true},
	{"an IPv4 address without a port", "10.0.0.1", true},
	{"an IPv6 address", "[::1]:8080", true},
	{"an IPv6 address without a port", "[fd00::1]", true},
	{"localhost", "localhost:8080", true},
	{"localhost at another port", "localhost:1", true},
	{"localhost without a port", "localhost", true},
	{"localhost in capitals", "LocalHost:8080", true},
	{"localhost with a dot at the end", "localhost.:8080", true},
	{"a name below localhost", "app.localhost:8080", true},
	{"a deep name below localhost", "a.b-c.localhost", true},
	{"the host of PUBLIC_URL", "public.example:3000", true},
	{"the host of PUBLIC_URL at another port", "public.example", true},
	{"the host of PUBLIC_URL in capitals", "PUBLIC.example", true},
	{"a listed host", "listed.example:8080", true},
	{"a listed host with a dot at the end", "listed.example.", true},

	{"another name", "evil.com", false},
	{"another name with the port", "evil.com:8080", false},
	{"another name in capitals", "EVIL.COM", false},
	{"another name with a dot at the end", "evil.com.", false},
	{"localhost as a prefix of another name", "localhost.evil.com", false},
	{"an address as a prefix of a name", "127.0.0.1.evil.com", false},
	{"an address as a prefix of a label", "127.0.0.1evil.com", false},
	{"localhost as a suffix of another name", "evillocalhost", false},
	{"an empty label below localhost", ".localhost", false},
	{"two empty labels", "evil..localhost", false},
	{"two dots at the end", "localhost..", false},
	{"a subdomain of a listed host", "evil.listed.example", false},
	{"a listed host as a prefix of another name", "listed.example.evil.com", false},
	{"localhost as userinfo", "localhost@evil.com", false},
	{"a name as userinfo", "evil.com@localhost", false},
	{"a name as userinfo of a subdomain of localhost", "evil.com@a.localhost", false},
	{"two hosts", "localhost,evil.com", false},
	{"two hosts in the other order", "evil.com,localhost", false},
	{"an address as one number", "2130706433", false},
	{"an address in three parts", "127.0.1", false},
	{"an address in hexadecimal", "0x7f.0.0.1", false},
	{"an address with leading zeros", "127.0.0.01", false},
	{"a name in brackets", "[evil.com]", false},
	{"an address in brackets before a name", "[::1]evil.com", false},
	{"an IPv6 address without brackets", "::1", false},
	{"a port that is a name", "localhost:evil.com", false},
	{"two ports", "localhost:80:80", false},
	{"an empty host", "", false},
}

func TestDevelopmentServerRefusesUnknownHosts(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t), "PUBLIC_URL", "http://public.example:3000", "ALLOWED_HOSTS", "listed.example")
	address := strings.TrimPrefix(b.URL, "http://")
	for _, row := range hostCases {
		t.Run(row.name, func(t *testing.T) {
			for path, good := range map[string]int{
				server.InboxPath: 200, "/": 200, "/healthz": 200, "/readyz": 200, "/.well-known/jwks.json": 200, "/reset-password": 200, "/graphql": 406, "/nothing": 404,
			} {
				want := good
				if !row.allowed {
					want = http.StatusMisdirectedRequest
				}
				got := rawStatus(t, address, "GET "+path+" HTTP/1.1\r\nHost: "+row.host+"\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\nConnection: close\r\n\r\n")
				// net/http rejects some of them itself.
				if got != want && (row.allowed || got != http.StatusBadRequest) {
					t.Errorf("%s: got status %d, want %d", path, got, want)
				}
			}
		})
	}
	for _, row := range []struct {
		name, request string
		status        int
	}{
		{
			"a request target with another host",
			"GET http://evil.com/dev/mail HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 421,
		},
		{
			"a request target with a known host",
			"GET http://localhost/dev/mail HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200,
		},
		{"HTTP/1.0 without a Host", "GET /dev/mail HTTP/1.0\r\n\r\n", 421},
		{"HTTP/1.0 with another Host", "GET /dev/mail HTTP/1.0\r\nHost: evil.com\r\n\r\n", 421},
		{"HTTP/1.1 without a Host", "GET /dev/mail HTTP/1.1\r\nConnection: close\r\n\r\n", 400},
		{"two Hosts", "GET /dev/mail HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\nConnection: close\r\n\r\n", 400},
		{
			"a preflight with another Host",
			"OPTIONS /graphql HTTP/1.1\r\nHost: evil.com\r\nOrigin: http://evil.com\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\n\r\n",
			421,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := rawStatus(t, address, row.request); got != row.status {
				t.Errorf("got status %d, want %d", got, row.status)
			}
		})
	}
}

// In a DNS rebinding attack, a page at evil.com, which resolves to this machine, reads the reset
// link of an ADMIN.
func TestDNSRebindingDoesNotReadTheDevelopmentInbox(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	for _, path := range []string{server.InboxPath, "/graphql"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+path, strings.NewReader(`{"query":"{ __typename }"}`))
		requireNoError(t, err)
		r.Host = "evil.com:8080"
		r.Header = http.Header{"Origin": {"http://evil.com:8080"}, "Sec-Fetch-Site": {"same-origin"}, "Content-Type": {"application/json"}}
		got := b.Do(r)
		if got.Status != http.StatusMisdirectedRequest || got.Data != nil || len(got.Errors) != 1 || !strings.Contains(got.Errors[0].Message, "ALLOWED_HOSTS") ||
			got.Header.Get("Access-Control-Allow-Origin") != "" || strings.Contains(got.Body, "evil") {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
}

func TestProductionServerChecksHostsIfConfigured(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, listed, host string
		status             int
	}{
		{"any host without a list", "", "fieldgate:8080", 200},
		{"a listed host", "fieldgate", "fieldgate:8080", 200},
		{"the host of PUBLIC_URL", "fieldgate", "api.example.com", 200},
		{"a probe by IP address", "fieldgate", "10.0.0.7:8080", 200},
		{"another host", "fieldgate", "evil.com", 421},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t), "ENV", "production", "PUBLIC_URL", "https://api.example.com", "ALLOWED_HOSTS", row.listed)
			got := rawStatus(t, strings.TrimPrefix(b.URL, "http://"), "GET /healthz HTTP/1.1\r\nHost: "+row.host+"\r\nConnection: close\r\n\r\n")
			if got != row.status {
				t.Errorf("got status %d, want %d", got, row.status)
			}
		})
	}
}

// A page that rebinds its name to the loopback interface cannot read metrics or profiles. On other
// addresses any host is accepted, since Prometheus may use the name of a service.
func TestMetricsRefuseUnknownHosts(t *testing.T) {
	t.Parallel()
	inProduction := []string{"ENV", "production", "PUBLIC_URL", "https://api.example.com"}
	for _, row := range []struct {
		name    string
		env     []string
		refused bool
	}{
		{"in development", nil, true},
		{"in development on every address", []string{"METRICS_ADDR", ":0"}, true},
		{"in production on the loopback interface", inProduction, true},
		{"in production on every address", append([]string{"METRICS_ADDR", ":0"}, inProduction...), false},
		{
			"in production on every address with a list",
			append([]string{"METRICS_ADDR", ":0", "ALLOWED_HOSTS", "listed.example"}, inProduction...),
			true,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := boot(t, dbtest.SQLite(t), append([]string{"METRICS_ADDR", "127.0.0.1:0"}, row.env...)...)
			l, err := b.internal.ListenForMetrics(t.Context())
			requireNoError(t, err)
			defer b.internal.ServeMetrics(l)()
			address := net.JoinHostPort("127.0.0.1", portOf(t, l.Addr().String()))
			for _, path := range []string{"/metrics", "/debug/pprof/cmdline"} {
				for host, want := range map[string]int{"localhost": 200, "127.0.0.1:9090": 200, "fieldgate:9090": 421, "localhost.evil.com": 421} {
					if !row.refused {
						want = 200
					}
					if got := rawStatus(t, address, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); got != want {
						t.Errorf("%s at %s: got status %d, want %d", path, host, got, want)
					}
				}
			}
		})
	}
}

// A starting server rejects unknown hosts, even before its database answers.
func TestStartingDevelopmentServerRefusesUnknownHosts(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	url := servertest.ServeOn(t, servertest.Listen(t), b.internal.StartingHandler()).URL
	for host, want := range map[string]int{"localhost": 200, "evil.com": 421} {
		if got := rawStatus(t, strings.TrimPrefix(url, "http://"), "GET /healthz HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); got != want {
			t.Errorf("%s: got status %d, want %d", host, got, want)
		}
	}
}

func TestDevelopmentServerWarnsOfWhatItExposes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		env      []string
		level    string
		contains []string
		not      []string
	}{
		{
			"on the loopback interface", nil, "WARN",
			[]string{"ENV=production", "/dev/mail", "playground", "introspection", "JWT_SECRET"},
			[]string{"other machines", "rate limits"},
		},
		{
			"on every address",
			[]string{"PORT", "", "ADDR", ":0"},
			"WARN",
			[]string{"ENV=production", "other machines can reach it", "/dev/mail"},
			nil,
		},
		{
			"with all warned features turned off",
			[]string{"PLAYGROUND", "false", "INTROSPECTION", "false", "JWT_SECRET", servertest.Secret, "SMTP_URL", "smtp://localhost"},
			"WARN",
			[]string{"ENV=production"},
			[]string{"playground", "introspection", "JWT_SECRET", "/dev/mail"},
		},
		{"without limits", []string{"LIMITS", "off"}, "WARN", []string{"rate limits"}, nil},
		{
			"in production",
			[]string{"ENV", "production", "PUBLIC_URL", "https://api.example.com", "JWT_SECRET", servertest.Secret},
			"", nil, nil,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			log, _ := runServeCommand(t, developmentEnv(t, row.env...))
			line := ""
			for l := range strings.Lines(log.String()) {
				if strings.Contains(l, "development server") {
					line += l
				}
			}
			if row.level == "" {
				if line != "" {
					t.Errorf("got log line %s, want none", line)
				}
				return
			}
			if strings.Count(line, "\n") != 1 || !strings.Contains(line, `"level":"`+row.level+`"`) {
				t.Fatalf("got log %q, want one line of level %s", line, row.level)
			}
			for _, want := range row.contains {
				if !strings.Contains(line, want) {
					t.Errorf("want %q in %s", want, line)
				}
			}
			for _, not := range row.not {
				if strings.Contains(line, not) {
					t.Errorf("unwanted %q in %s", not, line)
				}
			}
		})
	}
}
