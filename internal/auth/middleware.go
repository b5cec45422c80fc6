package auth

import (
	"context"
	"net/http"

	"fieldgate/internal/web"
)

// Middleware puts a Viewer into the context of each request. It verifies a token's signature, asks no
// database, and lets every request through: the schema's rules judge. It expects web.ClientIP in front of it.
func Middleware(t *Tokens, sessions *Sessions, cookie RefreshCookie) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			v := &Viewer{
				client:   Client{web.ClientIPFrom(r.Context()), r.UserAgent(), r.Header.Get("Accept-Language"), cookie.readDevice(r)},
				brought:  cookie.read(r),
				cookie:   cookie,
				header:   w.Header(),
				sessions: sessions,
			}
			if v.token, v.err = t.fromHeader(r.Header); v.err == nil {
				v.pending = &identity{v.token.SessionID, v.token.Subject}
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), viewerKey{}, v)))
		})
	}
}

func (t *Tokens) fromHeader(h http.Header) (*Claims, error) {
	token, reason := bearer(h)
	if reason != "" {
		return nil, &Unauthenticated{reason}
	}
	return t.Verify(token)
}
