package web_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"fieldgate/internal/web"
)

func TestLogWritesOneLinePerRequest(t *testing.T) {
	for _, tt := range []struct {
		name   string
		h      http.HandlerFunc
		status float64
		bytes  float64
	}{
		{"a handler writes", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "four")
			_, _ = w.Write([]byte("more"))
		}, 200, 8},
		{"a handler that writes nothing", func(http.ResponseWriter, *http.Request) {}, 200, 0},
		{"a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, 418, 0},
		{"early hints are not the status", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
		}, 201, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			logger, log := newLogger(slog.LevelInfo)
			w := get(web.Chain(tt.h, web.RequestID, web.ClientIP(nil), web.Log(logger)), "/graphql?token=hunter2")
			got := parseLog(t, log)
			if len(got) != 1 {
				t.Fatalf("got %d lines, want 1: %s", len(got), log)
			}
			for key, want := range map[string]any{
				"msg": "http request", "level": "INFO", "method": "GET", "path": "/graphql", "status": tt.status, "bytes": tt.bytes,
				"remote": "192.0.2.1", "request_id": w.Header().Get("X-Request-Id"),
			} {
				if got[0][key] != want {
					t.Errorf("%s: got %v, want %v", key, got[0][key], want)
				}
			}
			if took, _ := got[0]["duration"].(string); !regexp.MustCompile(`^\d+\.\d{3}ms$`).MatchString(took) {
				t.Errorf("want a duration in milliseconds: %s", log)
			}
			if strings.Contains(log.String(), "hunter2") {
				t.Errorf("the log contains the query string: %s", log)
			}
		})
	}
}

func TestLogOmitsSecrets(t *testing.T) {
	logger, log := newLogger(slog.LevelDebug)
	req := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader("hunter2"))
	for _, name := range []string{"Authorization", "Cookie", "User-Agent", "Referer", "X-Forwarded-For"} {
		req.Header.Set(name, "hunter2")
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "refresh=hunter2")
		_, _ = io.Copy(w, r.Body)
	})
	web.Log(logger)(h).ServeHTTP(httptest.NewRecorder(), req)
	if log.Len() == 0 || strings.Contains(log.String(), "hunter2") {
		t.Errorf("log: %s", log)
	}
}

func TestLogCannotBeForged(t *testing.T) {
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			h := web.Log(slog.New(handler(&log)))(http.NotFoundHandler())
			get(h, "/%0Alevel=ERROR%20msg=forged%0D%0A%E2%80%A8%1b[2J")
			if strings.Count(log.String(), "\n") != 1 || strings.ContainsAny(log.String(), "\r\x1b") {
				t.Errorf("log: %q", log.String())
			}
		})
	}
}

func TestLogKeepsProbesAtDebug(t *testing.T) {
	for _, path := range []string{"/healthz", "/readyz"} {
		logger, log := newLogger(slog.LevelInfo)
		get(web.Log(logger)(web.Live()), path)
		if log.Len() > 0 {
			t.Errorf("at info: %s", log)
		}
		logger, log = newLogger(slog.LevelDebug)
		get(web.Log(logger)(web.Live()), path)
		if got := parseLog(t, log); len(got) != 1 || got[0]["level"] != "DEBUG" {
			t.Errorf("at debug: %s", log)
		}
	}
}

func TestLogDoesNotWrapWhenLevelIsOff(t *testing.T) {
	logger, _ := newLogger(slog.LevelWarn)
	want := httptest.NewRecorder()
	h := web.Log(logger)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if w != http.ResponseWriter(want) {
			t.Errorf("got a response wrapped in %T, want the original", w)
		}
	}))
	h.ServeHTTP(want, httptest.NewRequest(http.MethodGet, "/", nil))
}

func TestLogRecordsAbortedRequest(t *testing.T) {
	logger, log := newLogger(slog.LevelInfo)
	func() {
		defer func() { _ = recover() }()
		get(web.Log(logger)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })), "/")
	}()
	if got := parseLog(t, log); len(got) != 1 || got[0]["status"] != 0.0 {
		t.Errorf("log: %s", log)
	}
}

// Flushing and deadlines must work through the middlewares that record.
func TestResponseControllerUnwrapsRecorder(t *testing.T) {
	logger, _ := newLogger(slog.LevelInfo)
	failed := make(chan error, 1)
	srv := httptest.NewServer(web.Chain(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		failed <- http.NewResponseController(w).Flush()
	}), web.Log(logger), web.Recover(logger)))
	t.Cleanup(srv.Close)
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := <-failed; errors.Is(err, http.ErrNotSupported) || err != nil {
		t.Errorf("Flush: %v", err)
	}
}
