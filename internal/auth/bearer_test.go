package auth

import (
	"net/http"
	"strings"
	"testing"
)

func TestBearerTokenComesOnlyFromAuthorizationHeader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		header http.Header
		token  string
		reason Reason
	}{
		{"a token", http.Header{"Authorization": {"Bearer abc.def.ghi"}}, "abc.def.ghi", ""},
		{"a lower-case scheme", http.Header{"Authorization": {"bearer abc"}}, "abc", ""},
		{"an upper-case scheme", http.Header{"Authorization": {"BEARER abc"}}, "abc", ""},
		{"no header", http.Header{}, "", Missing},
		{"no headers at all", nil, "", Missing},
		{"a cookie", http.Header{"Cookie": {"access_token=abc; Authorization=Bearer abc"}}, "", Missing},
		{"another header", http.Header{"X-Authorization": {"Bearer abc"}}, "", Missing},
		{"a proxy's header", http.Header{"Proxy-Authorization": {"Bearer abc"}}, "", Missing},
		{"two headers", http.Header{"Authorization": {"Bearer abc", "Bearer def"}}, "", Invalid},
		{"two identical headers", http.Header{"Authorization": {"Bearer abc", "Bearer abc"}}, "", Invalid},
		{"an empty header before a token", http.Header{"Authorization": {"", "Bearer abc"}}, "", Invalid},
		{"an empty header", http.Header{"Authorization": {""}}, "", Invalid},
		{"the scheme alone", http.Header{"Authorization": {"Bearer"}}, "", Invalid},
		{"the scheme and a space", http.Header{"Authorization": {"Bearer "}}, "", Invalid},
		{"a token without a scheme", http.Header{"Authorization": {"abc.def.ghi"}}, "", Invalid},
		{"no space", http.Header{"Authorization": {"Bearerabc"}}, "", Invalid},
		{"a tab instead of a space", http.Header{"Authorization": {"Bearer\tabc"}}, "", Invalid},
		{"a leading space", http.Header{"Authorization": {" Bearer abc"}}, "", Invalid},
		{"a colon", http.Header{"Authorization": {"Bearer: abc"}}, "", Invalid},
		{"Basic", http.Header{"Authorization": {"Basic YTpi"}}, "", Invalid},
		{"Token", http.Header{"Authorization": {"Token abc"}}, "", Invalid},
		{"DPoP", http.Header{"Authorization": {"DPoP abc"}}, "", Invalid},
		{"a scheme with a Cyrillic letter", http.Header{"Authorization": {"Ьearer abc"}}, "", Invalid},
		// Verify rejects characters that no token has.
		{"two spaces", http.Header{"Authorization": {"Bearer  abc"}}, " abc", ""},
		{"two tokens in one header", http.Header{"Authorization": {"Bearer abc, Bearer def"}}, "abc, Bearer def", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if token, reason := bearerToken(tt.header); token != tt.token || reason != tt.reason {
				t.Errorf("got token %q, reason %q, want %q, %q", token, reason, tt.token, tt.reason)
			}
		})
	}
}

func TestMalformedBearerTokensAreInvalid(t *testing.T) {
	t.Parallel()
	tokens := newTestTokens(t)
	good := issueToken(t, tokens)
	for _, tt := range []struct {
		name, value string
		ok          bool
	}{
		{"a token", "Bearer " + good, true},
		{"two spaces", "Bearer  " + good, false},
		{"two tokens", "Bearer " + good + ", Bearer " + good, false},
		{"quotes", `Bearer "` + good + `"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tokens.verifyHeader(http.Header{"Authorization": {tt.value}}); (err == nil) != tt.ok {
				t.Errorf("got error %v, want valid: %t", err, tt.ok)
			}
		})
	}
}

// FuzzBearer checks that a token comes from a single header of the right scheme and is never empty.
func FuzzBearer(f *testing.F) {
	f.Add("Bearer abc", "", false)
	f.Add("bearer ", "Bearer abc", true)
	f.Add("\xffearer abc", "", true)
	f.Add("Bearer\u00a0abc", "", false)
	f.Fuzz(func(t *testing.T, first, second string, both bool) {
		h := http.Header{"Authorization": {first}}
		if both {
			h["Authorization"] = append(h["Authorization"], second)
		}
		token, reason := bearerToken(h)
		if (token == "") == (reason == "") {
			t.Fatalf("got token %q and reason %q, want exactly one of them", token, reason)
		}
		if token != "" && (both || !strings.EqualFold(first, "bearer "+token)) {
			t.Fatalf("got token %q from headers %q", token, h)
		}
	})
}
