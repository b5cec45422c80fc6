// Package export sends spans to a collector, by OTLP over HTTP. Only the wiring of the server imports it.
//
// A goroutine sends spans in the background, from a bounded queue: a slow, silent or missing collector slows nothing down, and
// spans that the queue has no room for are lost. Variables of OpenTelemetry that our configuration does not have are read from
// the environment of the process: OTEL_BSP_… by its library, and OTEL_EXPORTER_OTLP_ followed by COMPRESSION, CERTIFICATE,
// CLIENT_CERTIFICATE or CLIENT_KEY, each also with TRACES_ in front, by this package.
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

// Config is where spans go. Every field but Headers and Attributes is needed.
type Config struct {
	URL        string // of the collector, with its path
	Headers    map[string]string
	Service    string // what the server is called
	Version    string
	Attributes map[string]string // what else there is to say of it
	Sampler    string            // one of OpenTelemetry's names
	Ratio      float64           // for traceidratio
	Log        *slog.Logger
}

// maxAttributeLength cuts off what a span says, in bytes.
const maxAttributeLength = 4096

// Exporter sends spans until Shutdown.
type Exporter struct {
	provider *sdk.TracerProvider
	exporter *otlptrace.Exporter
}

// New starts an exporter. It does not speak to the collector yet.
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
	// The library reports its other failures here, for the whole process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { c.Log.Debug("traces", "error", err) }))
	limits := sdk.NewSpanLimits()
	limits.AttributeValueLengthLimit = maxAttributeLength
	return &Exporter{exporter: exporter, provider: sdk.NewTracerProvider(
		sdk.WithBatcher(&quietExporter{SpanExporter: exporter, log: c.Log}), sdk.WithSampler(root), sdk.WithRawSpanLimits(limits), sdk.WithResource(newResource(c)),
	)}, nil
}

// sampler judges a request that says it is a part of a trace as any other: anybody may say so.
func sampler(name string, ratio float64) (sdk.Sampler, error) {
	root, ok := map[string]sdk.Sampler{
		"always_on": sdk.AlwaysSample(), "always_off": sdk.NeverSample(), "traceidratio": sdk.TraceIDRatioBased(ratio),
		"parentbased_always_on": sdk.AlwaysSample(), "parentbased_always_off": sdk.NeverSample(), "parentbased_traceidratio": sdk.TraceIDRatioBased(ratio),
	}[name]
	if !ok {
		return nil, fmt.Errorf("OTEL_TRACES_SAMPLER: %q is not known", name)
	}
	// Below our own spans the parent has decided for all.
	return sdk.ParentBased(root, sdk.WithRemoteParentSampled(root), sdk.WithRemoteParentNotSampled(root)), nil
}

func newResource(c Config) *resource.Resource {
	attrs := []attribute.KeyValue{
		attribute.String("telemetry.sdk.name", "opentelemetry"), attribute.String("telemetry.sdk.language", "go"), attribute.String("telemetry.sdk.version", otelsdk.Version()),
	}
	for name, value := range c.Attributes {
		attrs = append(attrs, attribute.String(name, value))
	}
	return resource.NewSchemaless(append(attrs, attribute.String("service.name", c.Service), attribute.String("service.version", c.Version))...)
}

// Tracer begins traces that are sent.
func (e *Exporter) Tracer() *trace.Tracer { return trace.NewTracer(e.provider) }

// Flush sends what has ended so far, or waits until ctx ends.
func (e *Exporter) Flush(ctx context.Context) error { return e.provider.ForceFlush(ctx) }

// Shutdown sends what has ended, until ctx ends, and then nothing more.
func (e *Exporter) Shutdown(ctx context.Context) error {
	return errors.Join(e.provider.Shutdown(ctx), e.exporter.Shutdown(ctx))
}

// quietExporter logs that a collector does not answer any more, and that it does again, and not each batch that is lost meanwhile.
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
		q.log.Warn("traces are lost: the collector does not take them", "error", err)
	case err == nil && was:
		q.log.Info("the collector takes traces again")
	}
	return nil
}
