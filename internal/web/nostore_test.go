package web_test

import (
	"net/http"
	"testing"

	"fieldgate/internal/web"
)

func TestNoStore(t *testing.T) {
	w := get(web.NoStore(http.NotFoundHandler()), "/")
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
}
