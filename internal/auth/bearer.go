package auth

import (
	"net/http"
	"strings"
)

// bearerToken returns the access token of a request (RFC 6750 section 2.1: the header only, never the query or
// a cookie). Without one it says Missing; with another scheme, an empty token or two headers, Invalid.
func bearerToken(h http.Header) (token string, reason Reason) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", Missing
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, TokenType) || token == "" {
		return "", Invalid
	}
	return token, ""
}
