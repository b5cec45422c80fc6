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

// DocumentCache keeps the parsed documents that were asked for last, by their
// text: an application sends the same few hundred over and over, and parsing
// and validating are most of the cost of a request.
//
// Anybody may fill it, so it is bounded three ways. A parsed document was
// measured at up to 120 times its text, so it is the sum of the texts that
// bounds the memory, at about 30 MB for somebody who tries.
//
// A document with a string literal in it is not kept, which is told by a
// quotation mark anywhere. Such a document is a one-off, since clients that
// repeat themselves use variables, and the literal may be a password, which
// should not outlive its request.
type DocumentCache struct {
	mu        sync.Mutex
	documents *simplelru.LRU[string, *ast.QueryDocument]
	textBytes int
}

var _ graphql.Cache[*ast.QueryDocument] = (*DocumentCache)(nil)

// NewDocumentCache is an empty cache of at most 1,000 documents, of at most
// 8 KiB each and 256 KiB together.
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

// Get is the document that was added for exactly this text, if it is still kept.
func (c *DocumentCache) Get(_ context.Context, text string) (*ast.QueryDocument, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.documents.Get(text)
}

// Add keeps a document, unless it is too long or holds a string literal, and
// drops the longest unused ones to make room.
func (c *DocumentCache) Add(_ context.Context, text string, document *ast.QueryDocument) {
	if len(text) > maxDocumentBytes || strings.Contains(text, `"`) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.documents.Contains(text) { // two requests may have parsed it at once
		c.textBytes += len(text)
	}
	c.documents.Add(text, document)
	for c.textBytes > maxTextBytes {
		c.documents.RemoveOldest()
	}
}
