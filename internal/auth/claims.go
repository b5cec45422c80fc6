package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are the claims of an access token (RFC 7519 section 4.1, RFC 9068 section 2.2). They hold
// no personal data, because a token is readable without the key.
type Claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"` // user ID
	SessionID string `json:"sid"`
	Role      string `json:"role"` // for offline verification; this server uses the database's role
	IssuedAt  int64  `json:"iat"`  // Unix time in seconds, like the next two
	NotBefore int64  `json:"nbf"`
	ExpiresAt int64  `json:"exp"`
	ID        string `json:"jti"`
}

var claimNames = []string{"iss", "aud", "sub", "sid", "role", "iat", "nbf", "exp", "jti"}

// UnmarshalJSON requires each claim once, with its exact name and type. encoding/json alone would
// accept "Exp" for "exp" and the last of two equal names. A null claim keeps its zero value, which
// check rejects. Unknown claims are ignored (RFC 7519 section 4).
func (c *Claims) UnmarshalJSON(data []byte) error {
	type plain Claims // without this method
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	count := 0
	for name := range memberNames(data) {
		i := slices.IndexFunc(claimNames, func(claim string) bool { return strings.EqualFold(claim, name) })
		switch {
		case i >= 0 && claimNames[i] == name:
			count++
		case i >= 0, strings.Contains(name, `\`):
			return fmt.Errorf("claim name %q is misspelled or escaped", name)
		}
	}
	if count != len(claimNames) {
		return errors.New("a claim is missing or duplicated")
	}
	return nil
}

// memberNames yields the member names of a JSON object as they are written. data must be valid
// JSON.
func memberNames(data []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		depth := 0
		for i := 0; i < len(data); i++ {
			switch data[i] {
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			case '"':
				end := i + 1
				for ; data[end] != '"'; end++ {
					if data[end] == '\\' {
						end++
					}
				}
				isName := bytes.HasPrefix(bytes.TrimLeft(data[end+1:], " \t\r\n"), []byte(":"))
				if isName && depth == 1 && !yield(string(data[i+1:end])) {
					return
				}
				i = end
			}
		}
	}
}

var (
	errExpired = errors.New("the token has expired")
	errClaims  = errors.New("the token has invalid claims")
)

// MaxTTL is the longest lifetime of an access token. Verify rejects longer ones.
const MaxTTL = time.Hour

// leeway is the largest accepted clock difference between the issuing and the verifying server.
const leeway = 10 * time.Second

// check validates everything but the signature. It returns errExpired only if the token is
// otherwise valid.
func (c *Claims) check(issuer, audience string, knownRole func(string) bool, now time.Time) error {
	ahead := now.Add(leeway).Unix()
	switch {
	case c.Issuer != issuer, c.Audience != audience, c.Subject == "", c.SessionID == "", c.ID == "",
		!knownRole(c.Role),
		c.IssuedAt <= 0, c.IssuedAt > ahead, c.NotBefore <= 0, c.NotBefore > ahead,
		c.ExpiresAt <= c.IssuedAt, c.ExpiresAt-c.IssuedAt > int64(MaxTTL/time.Second):
		return errClaims
	case now.Unix() >= c.ExpiresAt:
		return errExpired
	}
	return nil
}

// Methods that golang-jwt requires of claims. They are never called: check validates instead.
var _ jwt.Claims = (*Claims)(nil)

func (*Claims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (*Claims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (*Claims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (*Claims) GetIssuer() (string, error)                   { return "", nil }
func (*Claims) GetSubject() (string, error)                  { return "", nil }
func (*Claims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }
