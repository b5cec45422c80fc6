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

// Claims are what an access token says (RFC 7519 section 4.1, RFC 9068 section 2.2). Nothing in it is
// personal: anybody who finds the token can read it.
type Claims struct {
	Issuer    string `json:"iss"`
	Audience  string `json:"aud"`
	Subject   string `json:"sub"` // the user's id
	SessionID string `json:"sid"`
	Role      string `json:"role"` // for services that verify offline; here the database's role counts
	IssuedAt  int64  `json:"iat"`  // seconds since 1970, like the next two
	NotBefore int64  `json:"nbf"`
	ExpiresAt int64  `json:"exp"`
	ID        string `json:"jti"`
}

var claimNames = []string{"iss", "aud", "sub", "sid", "role", "iat", "nbf", "exp", "jti"}

// UnmarshalJSON takes exactly these names, each once, with exactly these types. encoding/json alone would take
// "Exp" for "exp" and the last of two. A claim that is null is left at its zero, which check refuses. What else
// there is makes no difference (RFC 7519 section 4).
func (c *Claims) UnmarshalJSON(data []byte) error {
	type plain Claims // without this method
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	known := 0
	for name := range memberNames(data) {
		i := slices.IndexFunc(claimNames, func(claim string) bool { return strings.EqualFold(claim, name) })
		switch {
		case i >= 0 && claimNames[i] == name:
			known++
		case i >= 0, strings.Contains(name, `\`):
			return fmt.Errorf("%q is no way to write a claim's name", name)
		}
	}
	if known != len(claimNames) {
		return errors.New("a claim is missing or there twice")
	}
	return nil
}

// memberNames yields the names in an object as they are written; data must be valid JSON.
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
	errClaims  = errors.New("the token's claims are not ours")
)

// MaxTTL is the longest that an access token may live, whoever made it.
const MaxTTL = time.Hour

// leeway is how far ahead the clock of the replica that made a token may be.
const leeway = 10 * time.Second

// check judges everything but the signature. It returns errExpired only for a token that is good otherwise.
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

// The methods that golang-jwt asks of claims. check judges instead, so they are never called.
var _ jwt.Claims = (*Claims)(nil)

func (*Claims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (*Claims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (*Claims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (*Claims) GetIssuer() (string, error)                   { return "", nil }
func (*Claims) GetSubject() (string, error)                  { return "", nil }
func (*Claims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }
