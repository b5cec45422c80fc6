package auth

import (
	"encoding/base64"
	"net/http"
	"time"
)

// RefreshCookie holds the attributes of the refresh cookie.
type RefreshCookie struct {
	Secure   bool // set if the site is served over HTTPS
	SameSite http.SameSite
}

// Name returns __Host-refresh over HTTPS. Over plain HTTP, in development, it returns refresh.
func (c RefreshCookie) Name() string { return c.prefixed("refresh") }

// prefixed adds __Host- to a name over HTTPS. Browsers accept that prefix only over HTTPS, with
// Path=/ and without a Domain (RFC 6265bis section 4.1.3.2).
func (c RefreshCookie) prefixed(name string) string {
	if c.Secure {
		return "__Host-" + name
	}
	return name
}

// cookie returns a cookie that holds token for the given lifetime.
func (c RefreshCookie) cookie(token string, age time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: c.Name(), Value: token, Path: "/", MaxAge: maxAge(age),
		HttpOnly: true, Secure: c.Secure, SameSite: c.SameSite,
	}
}

// expiredCookie returns a cookie that makes the browser delete its refresh cookie.
func (c RefreshCookie) expiredCookie() *http.Cookie { return c.cookie("", 0) }

// maxAge returns whole seconds for http.Cookie.MaxAge. net/http writes Max-Age=0 for -1. For 0 it
// writes no Max-Age, which would make a session cookie.
func maxAge(age time.Duration) int {
	if age < time.Second {
		return -1
	}
	return int(age / time.Second)
}

// read returns the refresh token of a request, or "". Two cookies of the same name are ignored: one
// was set by another origin (a subdomain, another program on this host), and the header does not
// say which.
func (c RefreshCookie) read(r *http.Request) string { return readToken(r, c.Name()) }

func readToken(r *http.Request, name string) string {
	cookies := r.CookiesNamed(name)
	if len(cookies) != 1 || len(cookies[0].Value) > maxTokenBytes {
		return ""
	}
	return cookies[0].Value
}

// deviceBytes is the length of a device cookie's random value.
const deviceBytes = 32

func (c RefreshCookie) deviceName() string { return c.prefixed("device") }

// deviceCookie returns the cookie that identifies a browser to the accounts that signed in with it.
// It identifies no user and grants no access. It keeps attempt limits from locking out the owner.
func (c RefreshCookie) deviceCookie(device string, age time.Duration) *http.Cookie {
	cookie := c.cookie(device, age)
	cookie.Name = c.deviceName()
	return cookie
}

// readDevice returns the device ID of a request. It returns "" for no cookie, for several, and for
// a value of another format than this server sets.
func (c RefreshCookie) readDevice(r *http.Request) string {
	cookies := r.CookiesNamed(c.deviceName())
	if len(cookies) != 1 {
		return ""
	}
	value := cookies[0].Value
	b, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(b) != deviceBytes || len(value) != base64.RawURLEncoding.EncodedLen(deviceBytes) {
		return ""
	}
	return value
}
