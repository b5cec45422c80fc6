package devlog

import (
	"log/slog"
	"strings"
	"testing"
)

func log(f func(*slog.Logger)) string {
	var b strings.Builder
	f(slog.New(New(&b, Options{Level: slog.LevelDebug, NoColor: true})))
	return b.String()
}

func TestRequestIsOneShortLine(t *testing.T) {
	t.Parallel()
	got := log(func(l *slog.Logger) {
		l.Info("http request", "method", "POST", "path", "/graphql", "status", 200, "bytes", 254, "duration", "0.528ms",
			"remote", "127.0.0.1", "request_id", "MKI3")
	})
	if want := " INF POST /graphql 200 0.528ms remote=127.0.0.1 request_id=MKI3\n"; !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q, want …%q", got, want)
	}
}

func TestStatementSaysWhetherItFailed(t *testing.T) {
	t.Parallel()
	for failed, want := range map[bool]string{
		false: " DBG SELECT 1 2ms rows=1\n",
		true:  " DBG SELECT 1 2ms rows=1 failed=true\n",
	} {
		got := log(func(l *slog.Logger) {
			l.Debug("sql", "statement", "SELECT 1", "rows", 1, "duration", "2ms", "failed", failed)
		})
		if !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want …%q", got, want)
		}
	}
}

func TestPathCannotControlTheTerminal(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/\x1b[2J", "/a\nERR forged", "/\u202e", "/\x07", "/\u0085"} {
		got := log(func(l *slog.Logger) {
			l.Info("http request", "method", "GET", "path", path, "status", 404, "agent", path)
		})
		got = strings.TrimSuffix(got, "\n")
		if got != strings.ToValidUTF8(got, "") || strings.ContainsAny(got, "\x1b\n\x07\u202e\u0085") {
			t.Errorf("%q is written as %q", path, got)
		}
	}
}

func TestOtherRecordsAreWrittenInFull(t *testing.T) {
	t.Parallel()
	got := log(func(l *slog.Logger) {
		l.With("user_id", "7").WithGroup("g").Warn("sign-in failed", "reason", "pass word")
	})
	if want := ` WRN sign-in failed user_id=7 g.reason="pass word"` + "\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want …%q", got, want)
	}
}

func TestBannerAlignsItsLinks(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := Banner(&b, "Fieldgate", Link{"API", "http://localhost:8080/graphql"}, Link{"Playground", "http://localhost:8080/"}); err != nil {
		t.Fatal(err)
	}
	want := "\n  Fieldgate\n\n    API         http://localhost:8080/graphql\n    Playground  http://localhost:8080/\n\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
