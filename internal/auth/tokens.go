package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"fieldgate/models"
)

// TokenType is the type of an access token in responses (RFC 6750 section 4).
const TokenType = "Bearer"

// headerType marks an access token (RFC 9068 section 2.1), so that no other kind of token passes as
// one.
const headerType = "at+jwt"

// maxTokenBytes is far above the length of tokens from Issue. Longer ones are rejected unread.
const maxTokenBytes = 4 << 10

// TokenConfig configures Tokens. Every field is required, except that one of PrivateKeys and
// Secrets is enough.
type TokenConfig struct {
	PrivateKeys []PrivateKey // the first one signs, all verify
	Secrets     []string     // HS256, at least 32 bytes each; without private keys the first signs
	Issuer      string
	Audience    string
	TTL         time.Duration // at most MaxTTL
	KnownRole   func(string) bool
	Now         func() time.Time
}

// Tokens issues and verifies access tokens. It is safe for concurrent use.
type Tokens struct {
	config TokenConfig
	keys   *keyring
	parser *jwt.Parser
	cache  *tokenCache
}

// NewTokens returns an error if a field is missing or the TTL is out of range.
func NewTokens(c TokenConfig) (*Tokens, error) {
	keys, err := newKeyring(c.PrivateKeys, c.Secrets)
	if err != nil {
		return nil, err
	}
	if c.Issuer == "" || c.Audience == "" || c.KnownRole == nil || c.Now == nil {
		return nil, errors.New("access tokens require an issuer, an audience, the roles and a clock")
	}
	if c.TTL < time.Second || c.TTL > MaxTTL {
		return nil, fmt.Errorf("access token TTL must be from 1s to %v, not %v", MaxTTL, c.TTL)
	}
	return &Tokens{
		config: c,
		keys:   keys,
		// Claims.check validates the claims: golang-jwt does not bound the lifetime of a token.
		parser: jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation()),
		cache:  newTokenCache(maxCachedTokens),
	}, nil
}

// Issue returns an access token for a session and its expiry. The session's User must be loaded.
func (t *Tokens) Issue(s *models.Session) (token string, expiresAt time.Time, err error) {
	return t.IssueWithTTL(s, t.config.TTL)
}

// IssueWithTTL is like Issue, for a token that expires after ttl if that is sooner.
func (t *Tokens) IssueWithTTL(s *models.Session, ttl time.Duration) (token string, expiresAt time.Time, err error) {
	now := t.config.Now().UTC().Truncate(time.Second)
	expiresAt = now.Add(min(ttl, t.config.TTL))
	unsigned := jwt.NewWithClaims(t.keys.signer.method, &Claims{
		Issuer:    t.config.Issuer,
		Audience:  t.config.Audience,
		Subject:   s.UserID,
		SessionID: s.ID,
		Role:      s.User.Role,
		IssuedAt:  now.Unix(),
		NotBefore: now.Unix(),
		ExpiresAt: expiresAt.Unix(),
		ID:        uuid.NewString(),
	})
	unsigned.Header["typ"] = headerType
	unsigned.Header["kid"] = t.keys.signer.id
	token, err = unsigned.SignedString(t.keys.signer.sign)
	return token, expiresAt, err
}

// Verify returns the claims of a token that this server issued. Callers share the claims and must
// not change them. The error is *UnauthenticatedError with the reason Expired or Invalid; for a
// token that has only expired the claims are returned too. It does not query the database, so the
// session may have been revoked.
func (t *Tokens) Verify(token string) (*Claims, error) {
	if len(token) > maxTokenBytes {
		return nil, &UnauthenticatedError{Invalid}
	}
	var buffer [512]byte // avoids an allocation for tokens of the usual length
	key := tokenHash(sha256.Sum256(append(buffer[:0], token...)))
	c, isCached := t.cache.get(key)
	if !isCached {
		var err error
		if c, err = t.parse(token); err != nil {
			return nil, &UnauthenticatedError{Invalid}
		}
	}
	switch err := c.check(t.config.Issuer, t.config.Audience, t.config.KnownRole, t.config.Now()); {
	case errors.Is(err, errExpired):
		t.cache.remove(key)
		return c, &UnauthenticatedError{Expired}
	case err != nil:
		return nil, &UnauthenticatedError{Invalid}
	}
	if !isCached {
		t.cache.add(key, c)
	}
	return c, nil
}

// parse returns the claims of a token with a valid signature, without validating them.
func (t *Tokens) parse(token string) (*Claims, error) {
	if !hasOnlyTokenBytes(token) {
		return nil, errHeader
	}
	c := new(Claims)
	_, err := t.parser.ParseWithClaims(token, c, t.keyFor)
	return c, err
}

var errHeader = errors.New("the token has an invalid header")

// keyFor returns the key that the header's key ID names. It rejects a header that differs from what
// Issue writes: another algorithm than the key's, another token type, or any parameter that could
// change how the rest is read (crit, jwk, jku, x5c, zip, b64 …; RFC 7515 section 4.1, RFC 8725
// section 3).
func (t *Tokens) keyFor(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	k, ok := t.keys.byID[id]
	if !ok || len(token.Header) != 3 || token.Header["typ"] != headerType || token.Header["alg"] != k.method.Alg() {
		return nil, errHeader
	}
	return k.verify, nil
}

// hasOnlyTokenBytes reports whether the token consists of base64url characters and dots: no
// padding, no white space, nothing that a lenient decoder skips.
func hasOnlyTokenBytes(token string) bool {
	return strings.IndexFunc(token, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}) < 0
}
