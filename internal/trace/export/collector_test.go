package export

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

var testSpans = []*otlp.ResourceSpans{{ScopeSpans: []*otlp.ScopeSpans{{Spans: []*otlp.Span{{Name: "mutation login"}}}}}}

// testCollector returns a collector that sends to url and waits 1 ms between attempts. env is a
// list of names and values in turn.
func testCollector(t *testing.T, url string, env ...string) *collector {
	t.Helper()
	c, err := newCollector(Config{URL: url, Headers: map[string]string{"X-Key": "a key"}}, getenv(env))
	if err != nil {
		t.Fatal(err)
	}
	c.retry = retryPolicy{initial: time.Millisecond, max: time.Millisecond, total: 20 * time.Second}
	t.Cleanup(func() { _ = c.Stop(context.Background()) })
	return c
}

func getenv(env []string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(env); i += 2 {
			if env[i] == name {
				return env[i+1]
			}
		}
		return ""
	}
}

func serve(t *testing.T, h http.HandlerFunc) (url string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestBatchIsSentInProtobuf(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, variable, value, encoding string
	}{
		{"as it is", "", "", ""},
		{"uncompressed", "OTEL_EXPORTER_OTLP_COMPRESSION", "none", ""},
		{"compressed", "OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "gzip"},
		{"compressed by the variable for traces", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip", "gzip"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var batch otlp.TracesData
			headers := make(chan http.Header, 1)
			url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				defer func() { headers <- r.Header }()
				var body io.Reader = r.Body
				if r.Header.Get("Content-Encoding") == "gzip" {
					var err error
					if body, err = gzip.NewReader(r.Body); err != nil {
						t.Error(err)
						return
					}
				}
				content, err := io.ReadAll(body)
				if err = errors.Join(err, proto.Unmarshal(content, &batch)); err != nil {
					t.Error(err)
				}
			})
			if err := testCollector(t, url, row.variable, row.value).UploadTraces(t.Context(), testSpans); err != nil {
				t.Fatal(err)
			}
			header := <-headers
			if len(batch.ResourceSpans) != 1 || batch.ResourceSpans[0].ScopeSpans[0].Spans[0].Name != "mutation login" {
				t.Errorf("got %v", &batch)
			}
			if header.Get("Content-Type") != "application/x-protobuf" || header.Get("X-Key") != "a key" || header.Get("Content-Encoding") != row.encoding {
				t.Errorf("headers %v", header)
			}
		})
	}
}

func partial(rejected uint64, message string) string {
	inner := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), rejected)
	inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), message)
	return string(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), inner))
}

func TestCollectorResponses(t *testing.T) {
	t.Parallel()
	protobuf := http.Header{"Content-Type": {"application/x-protobuf"}}
	for _, row := range []struct {
		name     string
		status   int // of the first answer; the following ones are 200
		header   http.Header
		body     string
		requests int32
		want     string // part of the error; empty: none
	}{
		{"200 is success", 200, nil, "", 1, ""},
		{"202 is success", 202, nil, "", 1, ""},
		{"an empty answer in protobuf is success", 200, protobuf, "", 1, ""},
		{"an answer in another format is success", 200, http.Header{"Content-Type": {"text/plain"}}, "ok", 1, ""},
		{"rejected spans are a failure", 200, protobuf, partial(3, "too old"), 1, `rejected 3 spans: "too old"`},
		{"a warning without rejected spans is a failure", 200, protobuf, partial(0, "deprecated"), 1, `rejected 0 spans: "deprecated"`},
		{"an answer that is not protobuf is a failure", 200, protobuf, "\xff", 1, "not OTLP"},
		{"429 is retried", 429, nil, "", 2, ""},
		{"502 is retried", 502, nil, "", 2, ""},
		{"503 is retried", 503, http.Header{"Retry-After": {"0"}}, "", 2, ""},
		{"504 is retried", 504, http.Header{"Retry-After": {"Mon, 02 Jan 2006 15:04:05 GMT"}}, "", 2, ""},
		{"503 for longer than a batch lives is a failure", 503, http.Header{"Retry-After": {"3600"}}, "come later", 1, "come later"},
		{"400 is a failure", 400, nil, "no traces", 1, `400 Bad Request: "no traces"`},
		{"401 is a failure", 401, nil, "", 1, "401"},
		{"500 is a failure", 500, nil, "", 1, "500"},
		{"a redirect is a failure", 307, http.Header{"Location": {"/elsewhere"}}, "", 1, "307"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Error(err)
				}
				if requests.Add(1) > 1 {
					return
				}
				for name, values := range row.header {
					w.Header()[name] = values
				}
				w.WriteHeader(row.status)
				_, _ = io.WriteString(w, row.body)
			})
			err := testCollector(t, url).UploadTraces(t.Context(), testSpans)
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if requests.Load() != row.requests {
				t.Errorf("%d requests, want %d", requests.Load(), row.requests)
			}
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	requests := make(chan struct{}, 1000)
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests <- struct{}{}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	t.Run("when the time of a batch is over", func(t *testing.T) {
		c := testCollector(t, url)
		c.retry.total = 100 * time.Millisecond
		if err := c.UploadTraces(t.Context(), testSpans); err == nil {
			t.Error("ended without an error")
		}
		for len(requests) > 0 {
			<-requests
		}
	})
	for name, end := range map[string]func(c *collector, cancel func()){
		"with the context": func(_ *collector, cancel func()) { cancel() },
		"with Stop":        func(c *collector, _ func()) { _ = c.Stop(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			c := testCollector(t, url)
			c.retry.initial, c.retry.max, c.retry.total = time.Hour, time.Hour, 3*time.Hour
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- c.UploadTraces(ctx, testSpans) }()
			<-requests
			end(c, cancel)
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
			cancel()
		})
	}
}

func TestSilentCollectorEndsWithStop(t *testing.T) {
	t.Parallel()
	asked, silence := make(chan struct{}), make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) { close(asked); <-silence })
	t.Cleanup(func() { close(silence) })
	c := testCollector(t, url)
	done := make(chan error, 1)
	go func() { done <- c.UploadTraces(t.Context(), testSpans) }()
	<-asked
	_ = c.Stop(context.Background())
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// pemFile writes one block into a new file.
func pemFile(t *testing.T, kind string, der []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// clientCertificate returns a self-signed certificate.
func clientCertificate(t *testing.T) (certificate *x509.Certificate, file, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fieldgate"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return certificate, pemFile(t, "CERTIFICATE", der), pemFile(t, "EC PRIVATE KEY", keyDER)
}

func TestEnvironmentCertificatesAreUsed(t *testing.T) {
	t.Parallel()
	client, clientFile, keyFile := clientCertificate(t)
	clients := x509.NewCertPool()
	clients.AddCert(client)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, ClientCAs: clients}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	trusted := pemFile(t, "CERTIFICATE", s.Certificate().Raw)
	all := []string{"OTEL_EXPORTER_OTLP_CERTIFICATE", trusted, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", clientFile, "OTEL_EXPORTER_OTLP_CLIENT_KEY", keyFile}
	for _, row := range []struct {
		name string
		env  []string
		ok   bool
	}{
		{"both certificates are trusted", all, true},
		{"the variables for traces take precedence", append([]string{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", clientFile}, all...), false},
		{"the collector is not trusted", all[2:], false},
		{"the client has no certificate", all[:2], false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if err := testCollector(t, s.URL, row.env...).UploadTraces(t.Context(), testSpans); (err == nil) != row.ok {
				t.Error(err)
			}
		})
	}
}

func TestInvalidVariablesAreNamed(t *testing.T) {
	t.Parallel()
	certificate, file, _ := clientCertificate(t)
	for _, row := range []struct{ name, url, variable, value string }{
		{"a certificate that is missing", "https://localhost", "OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere"},
		{"an invalid certificate file", "https://localhost", "OTEL_EXPORTER_OTLP_CERTIFICATE", pemFile(t, "SOMETHING", certificate.Raw)},
		{"a client certificate without a key", "https://localhost", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file},
		{"a certificate for an endpoint without TLS", "http://localhost", "OTEL_EXPORTER_OTLP_CERTIFICATE", file},
		{"an unknown compression", "http://localhost", "OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, err := newCollector(Config{URL: row.url}, getenv([]string{row.variable, row.value})); err == nil || !strings.Contains(err.Error(), row.variable) {
				t.Errorf("got %v, want an error that names %s", err, row.variable)
			}
		})
	}
}
