// Package export sends spans to a collector by OTLP over HTTP. Only package server imports it.
//
// A goroutine sends spans in the background from a bounded queue. A slow, silent or missing
// collector delays nothing; spans that do not fit into the queue are dropped.
//
// OpenTelemetry variables that package config lacks are read from the environment: OTEL_BSP_… by
// the library, and OTEL_EXPORTER_OTLP_ followed by COMPRESSION, CERTIFICATE, CLIENT_CERTIFICATE or
// CLIENT_KEY by this package. TRACES_ may precede each of these.
package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	otelsdk "go.opentelemetry.io/otel/sdk"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"fieldgate/internal/trace"
)

// Config says where and how spans are sent. All fields except Headers and Attributes are required.
type Config struct {
	URL        string // of the collector, with its path
	Headers    map[string]string
	Service    string // the name of the server
	Version    string
	Attributes map[string]string // more attributes of the server
	Sampler    string            // a sampler name of OpenTelemetry
	Ratio      float64           // for traceidratio
	Log        *slog.Logger
}

// maxAttributeLength is the length in bytes to which attributes are truncated.
const maxAttributeLength = 4096

// Exporter sends spans until Shutdown.
type Exporter struct {
	provider *sdk.TracerProvider
	exporter *otlptrace.Exporter
}

// New starts an exporter. It does not connect to the collector yet.
func New(c Config) (*Exporter, error) {
	root, err := sampler(c.Sampler, c.Ratio)
	if err != nil {
		return nil, err
	}
	client, err := newCollector(c, os.Getenv)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(context.Background(), client)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	// The library reports its other errors here, for the whole process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { c.Log.Debug("traces", "error", err) }))
	limits := sdk.NewSpanLimits()
	limits.AttributeValueLengthLimit = maxAttributeLength
	return &Exporter{exporter: exporter, provider: sdk.NewTracerProvider(
		sdk.WithBatcher(&quietExporter{SpanExporter: exporter, log: c.Log}), sdk.WithSampler(root),
		sdk.WithRawSpanLimits(limits), sdk.WithResource(newResource(c)),
	)}, nil
}

// sampler returns a sampler that ignores the sampling decision in a request's headers: any client
// can send one.
func sampler(name string, ratio float64) (sdk.Sampler, error) {
	root, ok := map[string]sdk.Sampler{
		"always_on": sdk.AlwaysSample(), "always_off": sdk.NeverSample(), "traceidratio": sdk.TraceIDRatioBased(ratio),
		"parentbased_always_on": sdk.AlwaysSample(), "parentbased_always_off": sdk.NeverSample(),
		"parentbased_traceidratio": sdk.TraceIDRatioBased(ratio),
	}[name]
	if !ok {
		return nil, fmt.Errorf("OTEL_TRACES_SAMPLER: %q is not known", name)
	}
	// For spans below our own, the parent has decided.
	return sdk.ParentBased(root, sdk.WithRemoteParentSampled(root), sdk.WithRemoteParentNotSampled(root)), nil
}

func newResource(c Config) *resource.Resource {
	attrs := []attribute.KeyValue{
		attribute.String("telemetry.sdk.name", "opentelemetry"),
		attribute.String("telemetry.sdk.language", "go"),
		attribute.String("telemetry.sdk.version", otelsdk.Version()),
	}
	for name, value := range c.Attributes {
		attrs = append(attrs, attribute.String(name, value))
	}
	return resource.NewSchemaless(append(attrs, attribute.String("service.name", c.Service), attribute.String("service.version", c.Version))...)
}

// Tracer returns a tracer whose spans are sent.
func (e *Exporter) Tracer() *trace.Tracer { return trace.NewTracer(e.provider) }

// Flush sends all spans that have ended, until ctx ends.
func (e *Exporter) Flush(ctx context.Context) error { return e.provider.ForceFlush(ctx) }

// Shutdown sends all spans that have ended, until ctx ends, and stops the exporter.
func (e *Exporter) Shutdown(ctx context.Context) error {
	return errors.Join(e.provider.Shutdown(ctx), e.exporter.Shutdown(ctx))
}

// quietExporter logs when the collector fails and when it recovers, but not each lost batch.
type quietExporter struct {
	sdk.SpanExporter
	log       *slog.Logger
	isFailing atomic.Bool
}

// ExportSpans is called by the library, which would write each error to standard error.
func (q *quietExporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	switch was := q.isFailing.Swap(err != nil); {
	case err != nil && !was:
		q.log.Warn("traces are lost: the collector does not accept them", "error", err)
	case err == nil && was:
		q.log.Info("the collector accepts traces again")
	}
	return nil
}
