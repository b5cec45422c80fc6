package export

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// collector sends spans by OTLP over HTTP, in protobuf. It replaces OpenTelemetry's otlptracehttp,
// which would compile an unused gRPC into the program.
type collector struct {
	url     string
	headers http.Header
	gzip    bool
	client  *http.Client
	retry   retryPolicy
	stopped context.Context
	stop    context.CancelFunc
}

// retryPolicy says when a batch is sent again: after a pause that grows by half each time, from
// initial to max, until total has passed.
type retryPolicy struct {
	initial, max, total time.Duration
}

var defaultRetry = retryPolicy{initial: time.Second, max: 5 * time.Second, total: 20 * time.Second}

// responseTimeout limits one request to the collector.
const responseTimeout = 10 * time.Second

// maxResponseBytes is how many bytes of a response are read.
const maxResponseBytes = 64 << 10

// newCollector returns a collector. It reads options that Config lacks from OpenTelemetry's
// environment variables.
func newCollector(c Config, getenv func(string) string) (*collector, error) {
	o := options{getenv}
	tlsConfig, err := o.tls()
	if err != nil {
		return nil, err
	}
	if tlsConfig != nil && !strings.HasPrefix(c.URL, "https:") {
		return nil, errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE require an https endpoint")
	}
	compression := o.get("COMPRESSION")
	if compression != "" && compression != "gzip" && compression != "none" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_COMPRESSION: %q is not usable: expected gzip or none", compression)
	}
	headers := http.Header{"User-Agent": {"OTel OTLP Exporter Go/" + otlptrace.Version()}}
	for name, value := range c.Headers {
		headers.Set(name, value)
	}
	headers.Set("Content-Type", "application/x-protobuf")
	if compression == "gzip" {
		headers.Set("Content-Encoding", "gzip")
	}
	stopped, stop := context.WithCancel(context.Background())
	return &collector{
		url: c.URL, headers: headers, gzip: compression == "gzip", client: httpClient(tlsConfig),
		retry: defaultRetry, stopped: stopped, stop: stop,
	}, nil
}

// httpClient returns a client that follows no redirects, because the headers may contain a
// password.
func httpClient(tlsConfig *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       responseTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: responseTimeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:     tlsConfig,
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        2,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: responseTimeout,
		},
	}
}

// Start implements otlptrace.Client.
func (c *collector) Start(context.Context) error { return nil }

// Stop cancels running requests.
func (c *collector) Stop(ctx context.Context) error {
	c.stop()
	c.client.CloseIdleConnections()
	return ctx.Err()
}

// UploadTraces sends a batch, and retries while the collector is overloaded.
func (c *collector) UploadTraces(ctx context.Context, spans []*otlp.ResourceSpans) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.stopped, cancel)()
	body, err := c.encode(spans)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(c.retry.total)
	for pause := c.retry.initial; ; pause = min(pause*3/2, c.retry.max) {
		err := c.send(ctx, body)
		var again *retryError
		if !errors.As(err, &again) {
			return err
		}
		// Jitter keeps servers from retrying at the same time.
		wait := max(again.after, time.Duration(float64(pause)*(0.5+rand.Float64())))
		if time.Now().Add(wait).After(deadline) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// encode returns an ExportTraceServiceRequest. TracesData has the same fields, in a package that
// does not import gRPC.
func (c *collector) encode(spans []*otlp.ResourceSpans) ([]byte, error) {
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: spans})
	if err != nil || !c.gzip {
		return body, err
	}
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, err = w.Write(body)
	err = errors.Join(err, w.Close()) // Close writes the rest
	return compressed.Bytes(), err
}

// retryError is a temporary failure.
type retryError struct {
	error
	after time.Duration // the minimum pause that the collector requested
}

func (e *retryError) Unwrap() error { return e.error }

func (c *collector) send(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = maps.Clone(c.headers)
	response, err := c.client.Do(r)
	if failed := (*url.Error)(nil); errors.As(err, &failed) && failed.Temporary() {
		return &retryError{error: err}
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBytes))
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway,
		status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return &retryError{statusError(response, text), retryAfter(response.Header)}
	case status < 200 || status > 299:
		return statusError(response, text)
	case err != nil:
		return err
	case response.Header.Get("Content-Type") != "application/x-protobuf":
		return nil
	}
	return partialSuccess(text)
}

func statusError(response *http.Response, text []byte) error {
	return fmt.Errorf("status %s: %.200q", response.Status, strings.TrimSpace(string(text)))
}

func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// partialSuccess reads an ExportTraceServiceResponse. Its field 1 says what the collector rejected:
// field 1 of that the number of spans, field 2 the reason.
func partialSuccess(body []byte) error {
	var rejected uint64
	var message []byte
	err := walkFields(body, func(number protowire.Number, _ uint64, partial []byte) error {
		if number != 1 {
			return nil
		}
		return walkFields(partial, func(number protowire.Number, n uint64, text []byte) error {
			switch number {
			case 1:
				rejected = n
			case 2:
				message = text
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("the response of the collector is not OTLP: %w", err)
	}
	if rejected == 0 && len(message) == 0 {
		return nil
	}
	return fmt.Errorf("the collector rejected %d spans: %.200q", rejected, message)
}

// walkFields calls f with each field of a message. n is the value of a varint, text that of a
// string or a message.
func walkFields(message []byte, f func(number protowire.Number, n uint64, text []byte) error) error {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return protowire.ParseError(size)
		}
		message = message[size:]
		var n uint64
		var text []byte
		switch kind {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			text, size = protowire.ConsumeBytes(message)
		default:
			size = protowire.ConsumeFieldValue(number, kind, message)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		if err := f(number, n, text); err != nil {
			return err
		}
		message = message[size:]
	}
	return nil
}
