package auth

import (
	"context"
	"maps"
	"net/http"

	"fieldgate/internal/web"
)

// Middleware puts a Viewer into the context of each request. It verifies the token's signature
// without a database query and rejects no request: the schema's rules authorize. It must run after
// web.ClientIP.
//
// A GET request carries no cookies: the middleware neither reads, sets nor passes them on. Only the
// access token identifies its caller.
func Middleware(t *Tokens, sessions *Sessions, cookie RefreshCookie) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			if r.Method == http.MethodGet {
				r, header = withoutCookies(r), http.Header{}
			}
			v := &Viewer{
				client: Client{
					IP:        web.ClientIPFrom(r.Context()),
					UserAgent: r.UserAgent(),
					Languages: r.Header.Get("Accept-Language"),
					Device:    cookie.readDevice(r),
				},
				refreshToken:  cookie.read(r),
				challenge:     cookie.readChallenge(r),
				cookie:        cookie,
				header:        header,
				sessions:      sessions,
				browserHeader: browserHeader(r.Header),
			}
			if v.claims, v.err = t.verifyHeader(r.Header); v.err == nil {
				v.pending = &identity{v.claims.SessionID, v.claims.Subject}
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), viewerKey{}, v)))
		})
	}
}

func browserHeader(h http.Header) string {
	for _, name := range []string{"Origin", "Sec-Fetch-Site"} {
		if _, sent := h[name]; sent {
			return name
		}
	}
	return ""
}

// withoutCookies returns a copy of the request without cookies, or r if it has none.
func withoutCookies(r *http.Request) *http.Request {
	if r.Header["Cookie"] == nil {
		return r
	}
	r = r.WithContext(r.Context())
	r.Header = maps.Clone(r.Header)
	delete(r.Header, "Cookie")
	return r
}

func (t *Tokens) verifyHeader(h http.Header) (*Claims, error) {
	token, reason := bearerToken(h)
	if reason != "" {
		return nil, &UnauthenticatedError{reason}
	}
	return t.Verify(token)
}
