package auth

import (
	"context"
	"net"
	"net/http"
)

// Middleware puts a Viewer into the context of each request. It verifies a token's signature, asks no
// database, and lets every request through: the schema's rules judge.
func Middleware(t *Tokens, sessions *Sessions, cookie RefreshCookie) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			v := &Viewer{
				client:   Client{IP: remoteIP(r), UserAgent: r.UserAgent()},
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

// remoteIP is the address of whoever opened the connection; headers that a client can write are not asked.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
