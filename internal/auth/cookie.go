package auth

import (
	"net/http"
	"time"
)

// RefreshCookie is how the refresh token's cookie is written.
type RefreshCookie struct {
	Secure   bool // the site is served over https
	SameSite http.SameSite
}

// Name is __Host-refresh, which browsers accept only over https, from this host and for all of it (RFC 6265bis
// section 4.1.3.2); over plain http, in development, it is refresh.
func (c RefreshCookie) Name() string {
	if c.Secure {
		return "__Host-refresh"
	}
	return "refresh"
}

// with makes the cookie hold token for the given time.
func (c RefreshCookie) with(token string, age time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: c.Name(), Value: token, Path: "/", MaxAge: maxAge(age),
		HttpOnly: true, Secure: c.Secure, SameSite: c.SameSite,
	}
}

// gone makes the browser drop the cookie.
func (c RefreshCookie) gone() *http.Cookie { return c.with("", 0) }

// maxAge is in whole seconds. net/http writes Max-Age=0 for -1, and for 0 none at all, which would make a cookie
// that lives as long as the browser does.
func maxAge(age time.Duration) int {
	if age < time.Second {
		return -1
	}
	return int(age / time.Second)
}

// read returns the refresh token of a request, or "". Two cookies of the name are none: one of them was put
// there by somebody else (another site's subdomain, another program on this host), and nothing says which.
func (c RefreshCookie) read(r *http.Request) string {
	cookies := r.CookiesNamed(c.Name())
	if len(cookies) != 1 || len(cookies[0].Value) > maxTokenBytes {
		return ""
	}
	return cookies[0].Value
}
