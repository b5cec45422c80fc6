package auth

import (
	"crypto/sha256"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxCachedTokens bounds the token cache's memory. A token takes about 0.5 kB.
const maxCachedTokens = 10_000

// tokenCache remembers tokens with a valid signature, because verifying the signature is the most
// expensive part of a request. It saves nothing else: a cached token's expiry is checked each time,
// and its session is loaded as usual. It is safe for concurrent use.
//
// It stores a hash of the token, so that a memory dump contains no usable token.
type tokenCache struct {
	mu     sync.Mutex
	claims *simplelru.LRU[tokenHash, *Claims]
}

type tokenHash [sha256.Size]byte

func newTokenCache(size int) *tokenCache {
	cache, err := simplelru.NewLRU[tokenHash, *Claims](size, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &tokenCache{claims: cache}
}

func (c *tokenCache) get(key tokenHash) (*Claims, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.claims.Get(key)
}

func (c *tokenCache) add(key tokenHash, claims *Claims) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims.Add(key, claims)
}

func (c *tokenCache) remove(key tokenHash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claims.Remove(key)
}
