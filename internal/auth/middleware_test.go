package auth

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"fieldgate/internal/web"
	"fieldgate/models"
)

// A resolver of a GET request sees no cookies and cannot set any.
func TestMiddlewareDropsCookiesOnGET(t *testing.T) {
	t.Parallel()
	for method, passes := range map[string]bool{http.MethodGet: false, http.MethodPost: true} {
		r := httptest.NewRequest(method, "/", nil)
		r.Header.Set("Cookie", "refresh=token; other=value")
		w := httptest.NewRecorder()
		seen := false
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			v := ViewerFrom(r.Context())
			if (v.RefreshCookie() != "") != passes || (len(r.Cookies()) != 0) != passes {
				t.Errorf("%s: got refresh cookie %q, cookies %q", method, v.RefreshCookie(), r.Cookies())
			}
			v.SetRefreshCookie("token", time.Hour)
			v.ClearRefreshCookie()
			seen = true
		})
		web.Chain(next, web.ClientIP(nil), Middleware(newTestTokens(t), NewSessions(&models.Store{}, 0), RefreshCookie{})).ServeHTTP(w, r)
		if !seen || (w.Header().Get("Set-Cookie") != "") != passes {
			t.Errorf("%s: got Set-Cookie %q", method, w.Header().Get("Set-Cookie"))
		}
		if r.Header.Get("Cookie") == "" {
			t.Errorf("%s: the original request was changed", method)
		}
	}
}
