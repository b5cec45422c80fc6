package web_test

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"fieldgate/internal/web"
)

func TestServerHasTimeouts(t *testing.T) {
	logger, _ := newLogger(slog.LevelInfo)
	srv := web.NewServer(":0", http.NotFoundHandler(), logger)
	if srv.ReadHeaderTimeout <= 0 || srv.ReadTimeout <= 0 || srv.WriteTimeout < srv.ReadTimeout || srv.IdleTimeout <= 0 {
		t.Errorf("want all timeouts, and a WriteTimeout of at least ReadTimeout: %+v", srv)
	}
}

func TestServerRefusesHugeHeaders(t *testing.T) {
	logger, _ := newLogger(slog.LevelInfo)
	url := serve(t, web.NewServer("", web.Live(), logger))
	for size, want := range map[int]int{8 << 10: 200, 64 << 10: 431} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", strings.Repeat("x", size))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: got status %d, want %d", size, resp.StatusCode, want)
		}
	}
}

func TestServerErrorsGoToLogger(t *testing.T) {
	logger, log := newLogger(slog.LevelWarn)
	web.NewServer("", http.NotFoundHandler(), logger).ErrorLog.Print("http: trouble\nlevel=ERROR")
	if got := parseLog(t, log); len(got) != 1 || got[0]["level"] != "WARN" || got[0]["msg"] != "http: trouble\nlevel=ERROR" {
		t.Errorf("log: %s", log)
	}
}

func serve(t *testing.T, srv *http.Server) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}
