package auth

import (
	"crypto/sha256"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxCachedTokens bounds the memory that verified tokens take: about half a kilobyte each.
const maxCachedTokens = 10_000

// cache remembers tokens whose signature was found good, because that is the dear part of a request. It saves the
// signature and its reading, nothing else: a token that is in it is judged by the clock each time, and its session
// is looked up as ever. It is safe for use by many goroutines.
//
// It keeps a hash of the token: who reads this memory finds nothing to sign in with.
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

func (v *tokenCache) get(key tokenHash) (*Claims, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.claims.Get(key)
}

func (v *tokenCache) add(key tokenHash, c *Claims) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.claims.Add(key, c)
}

func (v *tokenCache) remove(key tokenHash) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.claims.Remove(key)
}
