package repo

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fieldgate/internal/repotest"
)

// proxyFiles returns the files in deploy and the nginx blocks of docs/operations.md, by name.
func proxyFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir("deploy")
	repotest.NoError(t, err)
	for _, entry := range entries {
		if !entry.IsDir() {
			files[entry.Name()] = fileText(t, filepath.Join("deploy", entry.Name()))
		}
	}
	for _, block := range regexp.MustCompile("(?s)```nginx\n(.*?)```").FindAllStringSubmatch(fileText(t, "docs/operations.md"), -1) {
		files["docs/operations.md"] += block[1]
	}
	return files
}

// TestProxyFilesLogNoQueryStrings checks that proxies do not log query strings, which contain the
// queries of GET requests. By default they do.
func TestProxyFilesLogNoQueryStrings(t *testing.T) {
	t.Parallel()
	proxies := 0
	for name, text := range proxyFiles(t) {
		comment := regexp.MustCompile(`(?m)#.*$`)
		text = comment.ReplaceAllString(text, "")
		if problem := logsQueryStrings(text, &proxies); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if proxies == 0 {
		t.Error("no file configures a proxy")
	}
	for config, want := range map[string]bool{ // whether it logs query strings
		"proxy_pass http://x;": true, // nginx's default format
		"log_format a '$request_method $uri'; access_log /a a; error_log /e crit; proxy_pass http://x;":         false,
		"log_format a '$request_method $request_uri'; access_log /a a; error_log /e crit; proxy_pass http://x;": true,
		"log_format a '\"$request\"'; access_log /a a; error_log /e crit; proxy_pass http://x;":                 true,
		"log_format a '$uri $http_referer'; access_log /a a; error_log /e crit; proxy_pass http://x;":           true,
		"log_format a '$uri'; access_log /a combined; error_log /e crit; proxy_pass http://x;":                  true,
		"log_format a '$uri'; access_log /a a; proxy_pass http://x;":                                            true,
		"access_log off; error_log /e crit; proxy_pass http://x;":                                               false,
		"defaults\n mode http\n option httplog\n":                                                               true,
		"defaults\n mode http\n log-format \"%HM %HPO %ST\"\n":                                                  false,
		"defaults\n mode http\n log-format \"%r\"\n":                                                            true,
		"defaults\n mode tcp\n option tcplog\n":                                                                 false,
		"api.example.com {\n reverse_proxy 127.0.0.1:8080\n}\n":                                                 false,
		"api.example.com {\n log\n reverse_proxy 127.0.0.1:8080\n}\n":                                           true,
		"api.example.com {\n log {\n " + caddyFilter + "\n }\n reverse_proxy 127.0.0.1:8080\n}\n":               false,
	} {
		if got := logsQueryStrings(config, new(int)) != ""; got != want {
			t.Errorf("%q logs query strings: %v, want %v", config, got, want)
		}
	}
}

var (
	nginxFormat    = regexp.MustCompile(`log_format\s+(\w+)\s+([^;]*);`)
	nginxAccess    = regexp.MustCompile(`access_log\s+(\S+?)(?:\s+(\w+)[^;]*)?;`)
	nginxQuery     = regexp.MustCompile(`\$(request\b|request_uri|args|arg_|query_string|http_referer)`)
	nginxError     = regexp.MustCompile(`error_log\s+\S+\s+(crit|alert|emerg);`)
	haproxyQuery   = regexp.MustCompile(`(?m)option\s+httplog|log-format.*%(\{[^}]*\})?(r|HU|HQ)\b`)
	haproxyFormats = regexp.MustCompile(`(?m)^\s*log-format\s`)
	caddyLog       = regexp.MustCompile(`(?m)^\s*log\b`)
)

// caddyFilter removes the query string. test/deploy runs Caddy with it.
const caddyFilter = "request>uri regexp [?].* \"\""

// logsQueryStrings describes how a configuration of nginx, HAProxy or Caddy logs query strings, or
// returns "". It adds 1 to proxies if the text configures one of them.
func logsQueryStrings(text string, proxies *int) string {
	switch {
	case strings.Contains(text, "proxy_pass"):
		*proxies++
		formats := map[string]string{}
		for _, format := range nginxFormat.FindAllStringSubmatch(text, -1) {
			formats[format[1]] = format[2]
		}
		logs := nginxAccess.FindAllStringSubmatch(text, -1)
		if len(logs) == 0 {
			return "access_log has nginx's default format, which includes the request line"
		}
		for _, log := range logs {
			format, known := formats[log[2]]
			if log[1] != "off" && (!known || nginxQuery.MatchString(format)) {
				return "access_log includes the query string: " + log[0]
			}
		}
		if !nginxError.MatchString(text) {
			return "error_log has a level below crit, which includes request lines"
		}
	case regexp.MustCompile(`(?m)^\s*mode\s+http\b`).MatchString(text):
		*proxies++
		if haproxyQuery.MatchString(text) || !haproxyFormats.MatchString(text) {
			return "HAProxy logs the request line"
		}
	case strings.Contains(text, "reverse_proxy"):
		*proxies++
		if caddyLog.MatchString(text) && !strings.Contains(text, caddyFilter) {
			return "Caddy logs the URI"
		}
	}
	return ""
}
