package export

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// options reads OpenTelemetry variables that package config lacks.
type options struct {
	getenv func(string) string
}

// get returns the value of a variable. The variable for traces takes precedence.
func (o options) get(name string) string {
	return cmp.Or(o.getenv("OTEL_EXPORTER_OTLP_TRACES_"+name), o.getenv("OTEL_EXPORTER_OTLP_"+name))
}

// tls returns the certificates to trust and to present, or nil if no variable names any.
func (o options) tls() (*tls.Config, error) {
	trusted, certificate, key := o.get("CERTIFICATE"), o.get("CLIENT_CERTIFICATE"), o.get("CLIENT_KEY")
	if trusted == "" && certificate == "" && key == "" {
		return nil, nil
	}
	c := &tls.Config{}
	if trusted != "" {
		pem, err := os.ReadFile(trusted)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %s contains no PEM certificate", trusted)
		}
	}
	if certificate != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
