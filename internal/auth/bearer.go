package auth

import (
	"net/http"
	"strings"
)

// bearerToken returns the access token of the Authorization header (RFC 6750 section 2.1). Tokens
// in the query or in a cookie are ignored. The reason is Missing without the header, and Invalid
// for another scheme, an empty token or two headers.
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
