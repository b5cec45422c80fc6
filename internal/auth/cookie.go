package auth

import (
	"encoding/base64"
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

// cookie makes the cookie hold token for the given time.
func (c RefreshCookie) cookie(token string, age time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: c.Name(), Value: token, Path: "/", MaxAge: maxAge(age),
		HttpOnly: true, Secure: c.Secure, SameSite: c.SameSite,
	}
}

// expiredCookie makes the browser drop the cookie.
func (c RefreshCookie) expiredCookie() *http.Cookie { return c.cookie("", 0) }

// maxAge is in whole seconds. net/http writes Max-Age=0 for -1, and for 0 none at all, which would make a cookie
// that lives as long as the browser does.
func maxAge(age time.Duration) int {
	if age < time.Second {
		return -1
	}
	return int(age / time.Second)
}

// parse returns the refresh token of a request, or "". Two cookies of the name are none: one of them was put
// there by somebody else (another site's subdomain, another program on this host), and nothing says which.
func (c RefreshCookie) read(r *http.Request) string {
	cookies := r.CookiesNamed(c.Name())
	if len(cookies) != 1 || len(cookies[0].Value) > maxTokenBytes {
		return ""
	}
	return cookies[0].Value
}

// deviceBytes is how many random bytes a device cookie has.
const deviceBytes = 32

func (c RefreshCookie) deviceName() string {
	if c.Secure {
		return "__Host-device"
	}
	return "device"
}

// deviceCookie makes the cookie by which a browser is known to the accounts that have signed in with it. It names
// nobody and opens nothing: it keeps limits from locking an owner out.
func (c RefreshCookie) deviceCookie(device string, age time.Duration) *http.Cookie {
	cookie := c.cookie(device, age)
	cookie.Name = c.deviceName()
	return cookie
}

// readDevice returns the device of a request, or "" for none, for several, and for a value that this server has not made.
func (c RefreshCookie) readDevice(r *http.Request) string {
	cookies := r.CookiesNamed(c.deviceName())
	if len(cookies) != 1 {
		return ""
	}
	value := cookies[0].Value
	if b, err := base64.RawURLEncoding.Strict().DecodeString(value); err != nil || len(b) != deviceBytes || len(value) != base64.RawURLEncoding.EncodedLen(deviceBytes) {
		return ""
	}
	return value
}
