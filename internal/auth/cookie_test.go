package auth

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRefreshCookieAttributesFollowConfig(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	for _, tt := range []struct {
		name   string
		cookie RefreshCookie
		age    time.Duration
		want   string
	}{
		{
			"over https",
			RefreshCookie{Secure: true, SameSite: http.SameSiteStrictMode},
			week,
			"__Host-refresh=abc-_; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Strict",
		},
		{
			"over http, in development",
			RefreshCookie{SameSite: http.SameSiteStrictMode},
			week,
			"refresh=abc-_; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict",
		},
		{
			"lax",
			RefreshCookie{Secure: true, SameSite: http.SameSiteLaxMode},
			week,
			"__Host-refresh=abc-_; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax",
		},
		{
			"a frontend on another site",
			RefreshCookie{Secure: true, SameSite: http.SameSiteNoneMode},
			week,
			"__Host-refresh=abc-_; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=None",
		},
		{
			"a session that ends within seconds",
			RefreshCookie{Secure: true, SameSite: http.SameSiteStrictMode},
			2500 * time.Millisecond,
			"__Host-refresh=abc-_; Path=/; Max-Age=2; HttpOnly; Secure; SameSite=Strict",
		},
		{
			"a session that has ended",
			RefreshCookie{Secure: true, SameSite: http.SameSiteStrictMode},
			-time.Minute,
			"__Host-refresh=abc-_; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.cookie.cookie("abc-_", tt.age).String(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if !strings.HasPrefix(tt.want, tt.cookie.Name()+"=") {
				t.Errorf("got name %s, want the cookie %s", tt.cookie.Name(), tt.want)
			}
		})
	}
}

func TestAmbiguousRefreshCookieIsIgnored(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, header, want string
	}{
		{"the cookie", "__Host-refresh=abc", "abc"},
		{"among others", "a=b; __Host-refresh=abc; c=d", "abc"},
		{"none", "a=b", ""},
		{"no cookies at all", "", ""},
		{"the cookie of plain HTTP", "refresh=abc", ""},
		{"a lower-case name", "__host-refresh=abc", ""},
		{"two cookies of the name", "__Host-refresh=abc; __Host-refresh=def", ""},
		{"two identical cookies", "__Host-refresh=abc; __Host-refresh=abc", ""},
		{"an empty cookie", "__Host-refresh=", ""},
		{"a cookie that is too long", "__Host-refresh=" + strings.Repeat("x", maxTokenBytes+1), ""},
		{"in quotation marks", `__Host-refresh="abc"`, "abc"},
		{"a byte that is not allowed in a cookie", "__Host-refresh=a\x00b", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{Header: http.Header{"Cookie": {tt.header}}}
			if got := (RefreshCookie{Secure: true}).read(r); got != tt.want {
				t.Errorf("got %.20q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzRefreshCookie(f *testing.F) {
	for _, seed := range []string{"__Host-refresh=abc", "__Host-refresh=a; __Host-refresh=b", "=; ;;=", "__Host-refresh=\"a b\"", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := (RefreshCookie{Secure: true}).read(&http.Request{Header: http.Header{"Cookie": {header}}})
		if len(got) > maxTokenBytes || strings.ContainsAny(got, ";\x00\r\n") || !strings.Contains(header, got) {
			t.Errorf("got %q from the header %q", got, header)
		}
	})
}
