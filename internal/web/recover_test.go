package web_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fieldgate/internal/web"
)

func TestRecoverAnswersAndLogsOnce(t *testing.T) {
	logger, log := newLogger(slog.LevelError)
	w := get(web.Chain(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		panic(errors.New("a secret\nlevel=ERROR"))
	}), web.RequestID, web.Log(logger), web.Recover(logger)), "/graphql")

	id := w.Header().Get("X-Request-Id")
	want := fmt.Sprintf(`{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL","requestId":"%s"}}]}`, id)
	if w.Code != 500 || w.Body.String() != want {
		t.Errorf("got %d %s, want 500 %s", w.Code, w.Body, want)
	}
	if typ := w.Header().Get("Content-Type"); typ != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %q", typ)
	}
	if w.Header().Get("Content-Length") != "" {
		t.Error("got the handler's Content-Length, want none")
	}
	got := parseLog(t, log)
	if len(got) != 1 || got[0]["msg"] != "panic" || got[0]["request_id"] != id || got[0]["panic"] != "a secret\nlevel=ERROR" {
		t.Fatalf("log: %s", log)
	}
	if stack, _ := got[0]["stack"].(string); !strings.Contains(stack, "recover_test.go") {
		t.Errorf("got stack %s, want this file in it", stack)
	}
}

func TestRecoverOmitsMissingRequestID(t *testing.T) {
	logger, _ := newLogger(slog.LevelError)
	w := get(web.Recover(logger)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(1) })), "/")
	if want := `{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}`; w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
}

func TestLogRecordsRecoveredPanicAs500(t *testing.T) {
	logger, log := newLogger(slog.LevelInfo)
	get(web.Chain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") }), web.Log(logger), web.Recover(logger)), "/")
	if got := parseLog(t, log); len(got) != 2 || got[0]["msg"] != "panic" || got[1]["status"] != 500.0 {
		t.Errorf("log: %s", log)
	}
}

// A client must not take a truncated body for a complete one.
func TestRecoverAbortsPartialResponse(t *testing.T) {
	logger, log := newLogger(slog.LevelError)
	srv := httptest.NewServer(web.Recover(logger)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("too late")
	})))
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil || string(body) != "half" {
		t.Errorf("got body %q, error %v, want a truncated body and an error", body, err)
	}
	srv.Close() // waits for the handler, and so for its log line
	if got := parseLog(t, log); len(got) != 1 || got[0]["panic"] != "too late" {
		t.Errorf("log: %s", log)
	}
}

func TestRecoverPropagatesAbortHandler(t *testing.T) {
	logger, log := newLogger(slog.LevelDebug)
	defer func() {
		if v := recover(); v != http.ErrAbortHandler || log.Len() > 0 {
			t.Errorf("recovered %v, want http.ErrAbortHandler and no log: %s", v, log)
		}
	}()
	get(web.Recover(logger)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })), "/")
}
