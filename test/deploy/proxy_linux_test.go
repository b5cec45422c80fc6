package deploy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/clustertest"
	"fieldgate/internal/dbtest"
	"fieldgate/internal/programtest"
)

// origin is the public URL of the server in deploy/ and in these tests.
const origin = "https://api.example.com"

// proxy is a real proxy with the configuration of deploy/, in front of one server.
type proxy struct {
	t       *testing.T
	addr    string
	roots   *x509.CertPool
	dir     string
	process *dbtest.Process
}

// proxies maps names to functions that start a proxy in front of the server at upstream
// (HOST:PORT).
var proxies = map[string]func(t *testing.T, upstream string) *proxy{"nginx": startNginx, "caddy": startCaddy}

func startNginx(t *testing.T, upstream string) *proxy {
	t.Helper()
	path, err := dbtest.LookPath("nginx", "/usr/sbin")
	if err != nil {
		dbtest.SkipOrFail(t, "nginx", "apt-get install --no-install-recommends nginx-light")
	}
	p := newProxy(t)
	p.write("fieldgate.conf", replaceOnce(t, readRepoFile(t, "deploy/nginx.conf"),
		"listen 443 ssl;", "listen "+p.addr+" ssl;",
		"/etc/ssl/api.example.com.crt", p.path("certificate.pem"),
		"/etc/ssl/api.example.com.key", p.path("key.pem"),
		"/var/log/nginx/fieldgate.log", p.path("access.log"),
		"/var/log/nginx/fieldgate-error.log", p.path("error.log"),
		"127.0.0.1:8080", upstream))
	// The rest is like Debian's nginx.conf: it logs in the default formats for servers that set no
	// other.
	p.write("nginx.conf", `
daemon off;
pid `+p.path("nginx.pid")+`;
error_log `+p.path("main-error.log")+`;
events {}
http {
  access_log `+p.path("main-access.log")+`;
  client_body_temp_path `+p.path("body")+`;
  proxy_temp_path `+p.path("proxy")+`;
  fastcgi_temp_path `+p.path("fastcgi")+`;
  uwsgi_temp_path `+p.path("uwsgi")+`;
  scgi_temp_path `+p.path("scgi")+`;
  include `+p.path("fieldgate.conf")+`;
}
`)
	return p.start(path, "-e", p.path("start.log"), "-p", p.dir, "-c", p.path("nginx.conf"))
}

func startCaddy(t *testing.T, upstream string) *proxy {
	t.Helper()
	path, err := dbtest.LookPath("caddy", "/usr/bin")
	if err != nil {
		dbtest.SkipOrFail(t, "Caddy", "apt-get install --no-install-recommends caddy")
	}
	p := newProxy(t)
	_, port, _ := net.SplitHostPort(p.addr)
	p.write("Caddyfile", replaceOnce(t, readRepoFile(t, "deploy/Caddyfile"),
		"\n{\n", "\n{\n\tadmin off\n\tauto_https disable_redirects\n",
		"\napi.example.com {\n", "\n"+origin+":"+port+" {\n\tbind 127.0.0.1\n\ttls "+p.path("certificate.pem")+" "+p.path("key.pem")+"\n",
		"127.0.0.1:8080", upstream))
	return p.start(path, "run", "--adapter", "caddyfile", "--config", p.path("Caddyfile"))
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{t: t, addr: fmt.Sprintf("127.0.0.1:%d", clustertest.FreePorts(t, 1)), roots: x509.NewCertPool(), dir: dbtest.Directory(t)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	noError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"api.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	noError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	noError(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.roots.AppendCertsFromPEM(certificate)
	p.write("certificate.pem", string(certificate))
	p.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return p
}

func (p *proxy) path(name string) string { return filepath.Join(p.dir, name) }

func (p *proxy) write(name, text string) {
	p.t.Helper()
	noError(p.t, os.WriteFile(p.path(name), []byte(text), 0o644)) // the proxy runs as another user
}

func (p *proxy) start(name string, args ...string) *proxy {
	p.t.Helper()
	process, err := dbtest.StartProcess(p.dir, []string{"HOME=" + p.dir, "XDG_DATA_HOME=" + p.dir, "XDG_CONFIG_HOME=" + p.dir}, name, args...)
	noError(p.t, err)
	p.t.Cleanup(process.Kill)
	p.process = process
	client := p.client("127.0.0.1")
	programtest.Wait(p.t, "the proxy answers", process, func() bool {
		response, err := client.Get(origin + "/healthz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return true
	})
	return p
}

// client returns a client that connects to the proxy from a loopback address, 127.0.0.0/8.
func (p *proxy) client(from string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: p.roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, p.addr)
		},
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// logs returns everything that the proxy has logged.
func (p *proxy) logs() string {
	p.t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(p.dir)
	noError(p.t, err)
	for _, entry := range entries {
		if entry.Name() == "log" || strings.HasSuffix(entry.Name(), ".log") {
			content, err := os.ReadFile(p.path(entry.Name()))
			noError(p.t, err)
			all.Write(content)
		}
	}
	return all.String()
}

// stop stops the proxy, after which its logs are complete.
func (p *proxy) stop() {
	p.t.Helper()
	noError(p.t, p.process.Signal(os.Interrupt))
	<-p.process.Exited()
}

// TestProxies runs proxies with the configuration of deploy/ in front of a production server. The
// last two rows stop the server.
func TestProxies(t *testing.T) {
	t.Parallel()
	binary := programtest.Build(t)
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := programtest.Start(t, binary, "ENV=production", "PUBLIC_URL="+origin, "DATABASE_URL=sqlite://"+writableDir(t)+"/fieldgate.db",
				"TRUSTED_PROXIES=127.0.0.1", "CORS_ORIGINS=https://app.example.net", "COOKIE_SAMESITE=none", "METRICS_ADDR=127.0.0.1:0")
			p := start(t, strings.TrimPrefix(server.URL, "http://"))
			for _, row := range []struct {
				name string
				test func(t *testing.T, p *proxy, server *programtest.Server)
			}{
				{"clients cannot forge their IP", testClientAddress},
				{"limits count the client's IP", testLimits},
				{"the refresh cookie works", testCookie},
				{"headers are sent once", testHeaders},
				{"sizes are limited by the server", testSizes},
				{"GET queries are forwarded", testQueryStrings},
				{"requests in progress are answered when the server stops", testDrain},
				{"no query string was logged", testLogs},
			} {
				t.Run(row.name, func(t *testing.T) { row.test(t, p, server) })
			}
		})
	}
}

// forgedHeaders are headers by which a client pretends to have another IP.
var forgedHeaders = http.Header{
	"X-Forwarded-For": {"203.0.113.9"}, "X-Real-Ip": {"203.0.113.9"}, "Forwarded": {"for=203.0.113.9"}, "True-Client-Ip": {"203.0.113.9"},
	"Client-Ip": {"203.0.113.9"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"http"},
}

func testClientAddress(t *testing.T, p *proxy, server *programtest.Server) {
	for _, header := range []http.Header{nil, forgedHeaders, {"X-Forwarded-For": {"203.0.113.9, 127.0.0.1"}}, {"X-Forwarded-For": {"203.0.113.9", "198.51.100.2"}}} {
		a := programtest.Register(t, p.client("127.0.0.2"), origin, header)
		if got := a.Text("register.session.ip"); got != "127.0.0.2" {
			t.Errorf("%v: the session is from %s, want 127.0.0.2", header, got)
		}
		id := a.Header.Get("X-Request-Id")
		if !slices.ContainsFunc(server.Log(t), func(line map[string]any) bool {
			return line["msg"] == "http request" && line["request_id"] == id && line["remote"] == "127.0.0.2"
		}) {
			t.Errorf("%v: the request log has no request %s from 127.0.0.2", header, id)
		}
	}
}

// testLimits checks that guesses at different accounts count by IP: 30 failed sign-ins per 15
// minutes.
func testLimits(t *testing.T, p *proxy, _ *programtest.Server) {
	guess := func(from string, i int) string {
		header := forgedHeaders.Clone()
		header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
		a, err := programtest.Post(p.client(from), origin, header, `mutation($e: String!) { login(input: {email: $e, password: "a wrong guess", delivery: BODY}) { expiresAt } }`,
			map[string]any{"e": fmt.Sprintf("nobody-%s-%d@example.com", from, i)})
		noError(t, err)
		return a.Code()
	}
	// The limit allows one more guess every 30 seconds, and a hash takes seconds on a busy machine.
	const most, window = 30, 15 * time.Minute
	allowed, begin := 0, time.Now()
	for code := ""; code != "RATE_LIMITED"; allowed++ {
		if allowed > most+int(time.Since(begin)/(window/most)) {
			t.Fatalf("%d guesses in %s from one address with different X-Forwarded-For, want %d in %s", allowed, time.Since(begin), most, window)
		}
		if code = guess("127.0.0.3", allowed); code != "INVALID_CREDENTIALS" && code != "RATE_LIMITED" {
			t.Fatalf("guess %d: %s", allowed+1, code)
		}
	}
	if allowed--; allowed < most {
		t.Errorf("%d guesses were allowed, want at least %d", allowed, most)
	}
	if code := guess("127.0.0.4", 0); code != "INVALID_CREDENTIALS" {
		t.Errorf("a guess from another address: %s", code)
	}
}

func testCookie(t *testing.T, p *proxy, _ *programtest.Server) {
	browser := p.client("127.0.0.2")
	jar, err := cookiejar.New(nil)
	noError(t, err)
	browser.Jar = jar
	header := http.Header{"Origin": {origin}, "Sec-Fetch-Site": {"same-origin"}}
	a, err := programtest.Post(browser, origin, header, `mutation($p: String!) { register(input: {name: "Ada", email: "ada@example.com", password: $p}) { accessToken refreshToken } }`,
		map[string]any{"p": programtest.Password})
	noError(t, err)
	if cookies := a.Header.Values("Set-Cookie"); !slices.ContainsFunc(cookies, func(c string) bool {
		return strings.HasPrefix(c, "__Host-refresh=") && strings.Contains(c, "; Secure") && strings.Contains(c, "; HttpOnly")
	}) {
		t.Fatalf("Set-Cookie: %q in %s", cookies, a.Body)
	}
	a, err = programtest.Post(browser, origin, header, `mutation { refresh { accessToken user { email } } }`, nil)
	noError(t, err)
	if a.Text("refresh.user.email") != "ada@example.com" {
		t.Errorf("refresh with the cookie: %s", a.Body)
	}
}

func testHeaders(t *testing.T, p *proxy, _ *programtest.Server) {
	client := p.client("127.0.0.2")
	a, err := programtest.Post(client, origin, nil, `{ __typename }`, nil)
	noError(t, err)
	for _, name := range []string{"Strict-Transport-Security", "X-Content-Type-Options", "Content-Security-Policy", "X-Request-Id", "Cache-Control"} {
		if values := a.Header.Values(name); len(values) != 1 {
			t.Errorf("%s: %q", name, values)
		}
	}
	for _, row := range []struct {
		name, origin, site string
		status             int
		allowed            []string
	}{
		{"its own page", origin, "same-origin", 200, nil},
		{"a listed origin", "https://app.example.net", "cross-site", 200, []string{"https://app.example.net"}},
		{"another origin", "https://evil.example", "cross-site", 403, nil},
		{"another port of the same host", "https://api.example.com:8443", "same-site", 403, nil},
	} {
		header := http.Header{"Origin": {row.origin}, "Sec-Fetch-Site": {row.site}, "X-Forwarded-Host": {"evil.example"}}
		a, err := programtest.Post(client, origin, header, `mutation { logout }`, nil)
		noError(t, err)
		got := a.Header.Values("Access-Control-Allow-Origin")
		if a.Status != row.status || row.allowed != nil && !slices.Equal(got, row.allowed) || row.status == 403 && len(got) > 0 {
			t.Errorf("%s: %d, Access-Control-Allow-Origin %q, want %d %q", row.name, a.Status, got, row.status, row.allowed)
		}
	}
	preflight, err := http.NewRequest(http.MethodOptions, origin+"/graphql", nil)
	noError(t, err)
	preflight.Header = http.Header{"Origin": {"https://app.example.net"}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,content-type"}}
	response, err := client.Do(preflight)
	noError(t, err)
	_ = response.Body.Close()
	if got := response.Header.Values("Access-Control-Allow-Origin"); !slices.Equal(got, []string{"https://app.example.net"}) {
		t.Errorf("preflight: %d, Access-Control-Allow-Origin %q", response.StatusCode, got)
	}
}

// marker is part of everything in the requests of sendMarked that must not be logged.
const marker = "mrkr7d1f"

// sendMarked sends requests with secrets in query strings, credentials and referrers.
func sendMarked(t *testing.T, p *proxy, want int) {
	t.Helper()
	client := p.client("127.0.0.2")
	for _, path := range []string{
		"/graphql?query=" + url.QueryEscape("query "+marker+" { __typename }"), "/graphql?query=" + url.QueryEscape("{ "+marker+" }"),
		"/auth/callback?code=" + marker + "&state=" + marker,
	} {
		r, err := http.NewRequest(http.MethodGet, origin+path, nil)
		noError(t, err)
		r.Header = http.Header{
			"Accept": {"application/json"}, "Authorization": {"Bearer " + marker}, "Cookie": {"__Host-refresh=" + marker},
			"Referer": {"https://app.example.com/?" + marker},
		}
		response, err := client.Do(r)
		noError(t, err)
		_ = response.Body.Close()
		if want != 0 && response.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, response.StatusCode, want)
		}
	}
}

func testQueryStrings(t *testing.T, p *proxy, _ *programtest.Server) { sendMarked(t, p, 0) }

// testLogs checks that neither query strings (queries at /graphql, codes at /auth/callback) nor
// referrers are logged, even when the server is down and the proxy logs an error.
func testLogs(t *testing.T, p *proxy, _ *programtest.Server) {
	sendMarked(t, p, http.StatusBadGateway)
	p.stop()
	logs := p.logs()
	for line := range strings.Lines(logs) {
		if strings.Contains(line, marker) {
			t.Errorf("the log contains a secret: %s", line)
		}
	}
	for path, times := range map[string]int{"/graphql": 4, "/auth/callback": 2} {
		if strings.Count(logs, path) < times {
			t.Errorf("the log does not name each request of %s:\n%s", path, logs)
		}
	}
}

// testSizes checks that the server answers a body over 128 KiB in JSON, and that the proxy rejects
// far larger ones.
func testSizes(t *testing.T, p *proxy, server *programtest.Server) {
	client := p.client("127.0.0.2")
	token := programtest.Register(t, client, origin, nil).Text("register.accessToken")
	for _, row := range []struct {
		bytes, status int
		json          bool
	}{{100 << 10, 200, true}, {200 << 10, 413, true}, {2 << 20, 413, false}} {
		a, err := programtest.Post(client, origin, programtest.Bearer(token), `{ me { id } }`, map[string]any{"padding": strings.Repeat("x", row.bytes)})
		if err != nil {
			if row.json {
				t.Errorf("%d bytes: %v", row.bytes, err)
			}
			continue // the response can arrive while the client still writes
		}
		if a.Status != row.status || json.Valid([]byte(a.Body)) != row.json && row.json {
			t.Errorf("%d bytes: %d %.200s, want %d", row.bytes, a.Status, a.Body, row.status)
		}
	}
	// A URL of 8 KiB, with an access token and a browser's headers.
	query := `{ me { id } }` + strings.Repeat(" ", 2600) // three bytes each in the URL
	r, err := http.NewRequest(http.MethodGet, origin+"/graphql?query="+strings.ReplaceAll(url.QueryEscape(query), "+", "%20"), nil)
	noError(t, err)
	r.Header = http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + token}, "Cookie": {"other=" + strings.Repeat("x", 2000)}}
	response, err := client.Do(r)
	noError(t, err)
	body, err := io.ReadAll(response.Body)
	noError(t, err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK || !strings.Contains(string(body), `"me":{"id"`) {
		t.Errorf("a URL of %d bytes: %d %.200s", len(r.URL.String()), response.StatusCode, body)
	}
	if status := server.Status("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz after these requests: %d", status)
	}
}

// testDrain checks that a server that stops answers the requests it has begun, through the proxy,
// too, and accepts no others.
func testDrain(t *testing.T, p *proxy, server *programtest.Server) {
	client := p.client("127.0.0.2")
	if response, err := client.Get(origin + "/readyz"); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("/readyz: %v %v", response, err)
	}
	programtest.Register(t, client, origin, nil)
	const requests = 24 // more than the server hashes concurrently
	var answering sync.WaitGroup
	var answered atomic.Int64
	bad := make(chan string, requests)
	for i := range requests {
		answering.Go(func() {
			a, err := programtest.Post(client, origin, nil, `mutation($e: String!, $p: String!) { register(input: {name: "Ada", email: $e, password: $p, delivery: BODY}) { expiresAt } }`,
				map[string]any{"e": fmt.Sprintf("drain-%d@example.com", i), "p": programtest.Password})
			answered.Add(1)
			if err != nil || a.Status != http.StatusOK || a.Code() != "" && a.Code() != "OVERLOADED" {
				bad <- fmt.Sprintf("%v %+v", err, a)
			}
		})
	}
	programtest.Wait(t, "all requests have reached the server", server.Process, func() bool {
		done := answered.Load() // must be read before the gauge
		return done+requestsInFlight(t, server) >= requests
	})
	if answered.Load() == requests {
		t.Fatal("all requests were answered before the server was stopped")
	}
	server.Stop(t)
	answering.Wait()
	close(bad)
	for problem := range bad {
		t.Errorf("a request in flight: %s", problem)
	}
	response, err := client.Get(origin + "/readyz")
	noError(t, err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusBadGateway {
		t.Errorf("/readyz through the proxy after the stop: %d, want 502", response.StatusCode)
	}
}

// TestProxiesStreamResponsesUnbuffered checks that each piece of a streamed response arrives before
// the server writes the next.
func TestProxiesStreamResponsesUnbuffered(t *testing.T) {
	t.Parallel()
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{})
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", r.URL.Query().Get("type"))
				w.WriteHeader(http.StatusOK)
				for i := range 3 {
					_, _ = fmt.Fprintf(w, "piece %d\n", i)
					w.(http.Flusher).Flush()
					if r.URL.Path == "/graphql" {
						select {
						case <-arrived:
						case <-r.Context().Done():
							return
						}
					}
				}
			}))
			t.Cleanup(upstream.Close)
			p := start(t, strings.TrimPrefix(upstream.URL, "http://"))
			for _, kind := range []string{"text/event-stream", `multipart/mixed; boundary="-"; deferSpec=20220824`} {
				response, err := p.client("127.0.0.2").Get(origin + "/graphql?type=" + url.QueryEscape(kind))
				noError(t, err)
				for i := range 3 {
					piece := make([]byte, len("piece 0\n"))
					if _, err := io.ReadFull(response.Body, piece); err != nil || string(piece) != fmt.Sprintf("piece %d\n", i) {
						t.Fatalf("%s: %q %v", kind, piece, err)
					}
					arrived <- struct{}{}
				}
				_ = response.Body.Close()
			}
		})
	}
}

var inFlight = regexp.MustCompile(`(?m)^fieldgate_http_requests_in_flight (\d+)`)

// requestsInFlight returns how many requests a server is processing.
func requestsInFlight(t *testing.T, server *programtest.Server) int64 {
	t.Helper()
	for _, line := range server.Log(t) {
		if line["msg"] != "metrics" {
			continue
		}
		response, err := http.Get(fmt.Sprintf("http://%s/metrics", line["listen"]))
		noError(t, err)
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		noError(t, err)
		if match := inFlight.FindSubmatch(page); match != nil {
			n, err := strconv.ParseInt(string(match[1]), 10, 64)
			noError(t, err)
			return n
		}
	}
	t.Fatal("the server has no metrics")
	return 0
}
