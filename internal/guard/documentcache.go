package guard

import (
	"context"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/vektah/gqlparser/v2/ast"
)

const (
	maxDocuments     = 1000
	maxDocumentBytes = 8 << 10
	maxTextBytes     = 256 << 10
)

// DocumentCache caches the most recently used parsed documents by their text. An application sends
// the same few hundred documents again and again, and parsing and validating are most of a
// request's cost.
//
// Any client can fill the cache, so three limits bound it. A parsed document was measured at up to
// 120 times its text, so the sum of the texts bounds the memory: an attacker can fill about 30 MB.
//
// A document with a string literal, which means any quotation mark, is not cached. Such a document
// is rarely repeated, because clients use variables. The literal may also be a password, which must
// not outlive its request.
type DocumentCache struct {
	mu        sync.Mutex
	documents *simplelru.LRU[string, *ast.QueryDocument]
	textBytes int
}

var _ graphql.Cache[*ast.QueryDocument] = (*DocumentCache)(nil)

// NewDocumentCache returns an empty cache for at most 1,000 documents of at most 8 KiB each and 256
// KiB together.
func NewDocumentCache() *DocumentCache {
	c := &DocumentCache{}
	documents, err := simplelru.NewLRU(maxDocuments, func(text string, _ *ast.QueryDocument) {
		c.textBytes -= len(text)
	})
	if err != nil {
		panic(err) // only for a size below 1
	}
	c.documents = documents
	return c
}

// Get returns the cached document of exactly this text.
func (c *DocumentCache) Get(_ context.Context, text string) (*ast.QueryDocument, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.documents.Get(text)
}

// Add caches a document, unless it is too long or contains a string literal. It evicts the least
// recently used documents to make room.
func (c *DocumentCache) Add(_ context.Context, text string, document *ast.QueryDocument) {
	if len(text) > maxDocumentBytes || strings.Contains(text, `"`) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.documents.Contains(text) { // two requests may parse it concurrently
		c.textBytes += len(text)
	}
	c.documents.Add(text, document)
	for c.textBytes > maxTextBytes {
		c.documents.RemoveOldest()
	}
}
