package guard_test

import (
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"fieldgate/internal/guard"
)

func TestDocumentCacheSkipsStringLiteralsAndLongDocuments(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		kept bool
	}{
		{"a document with variables", "mutation($p: String!) { login(password: $p) }", true},
		{"numbers, enums and booleans", "{ users(first: 20, role: ADMIN, all: true) { id } }", true},
		{"a string literal, which may be a password", `mutation { login(password: "x") }`, false},
		{"a block string", `mutation { login(password: """x""") }`, false},
		{"a quotation mark in a comment", "{ me } # \"", false},
		{"the longest document", "{ " + strings.Repeat("a", 8<<10-4) + " }", true},
		{"a longer document", "{ " + strings.Repeat("a", 8<<10-3) + " }", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cache, document := guard.NewDocumentCache(), new(ast.QueryDocument)
			cache.Add(t.Context(), tt.text, document)
			got, ok := cache.Get(t.Context(), tt.text)
			if ok != tt.kept || ok && got != document {
				t.Errorf("cached: got %v, want %v", ok, tt.kept)
			}
			if _, ok := cache.Get(t.Context(), tt.text+" "); ok {
				t.Error("found by another text")
			}
		})
	}
}

func countKept(t *testing.T, cache *guard.DocumentCache, texts []string) (n int) {
	for _, text := range texts {
		if _, ok := cache.Get(t.Context(), text); ok {
			n++
		}
	}
	return n
}

func fillCache(t *testing.T, cache *guard.DocumentCache, n, length int) (texts []string) {
	for i := range n {
		text := fmt.Sprintf("%0*d", length, i)
		cache.Add(t.Context(), text, new(ast.QueryDocument))
		cache.Add(t.Context(), text, new(ast.QueryDocument)) // the second Add must not count
		texts = append(texts, text)
	}
	return texts
}

func TestDocumentCacheIsBounded(t *testing.T) {
	t.Run("by number", func(t *testing.T) {
		cache := guard.NewDocumentCache()
		texts := fillCache(t, cache, 1500, 10)
		if n := countKept(t, cache, texts); n != 1000 {
			t.Errorf("got %d cached documents, want 1000", n)
		}
		if n := countKept(t, cache, texts[500:]); n != 1000 {
			t.Errorf("got %d of the last 1000, want all", n)
		}
	})
	t.Run("by the sum of the texts", func(t *testing.T) {
		cache := guard.NewDocumentCache()
		texts := fillCache(t, cache, 100, 8<<10)
		if n := countKept(t, cache, texts); n != 32 {
			t.Errorf("got %d cached documents of 8 KiB, want 32", n)
		}
		if n := countKept(t, cache, texts[68:]); n != 32 {
			t.Errorf("got %d of the last 32, want all", n)
		}
		// Evicted documents no longer count.
		if n := countKept(t, cache, fillCache(t, cache, 1000, 10)); n != 1000 {
			t.Errorf("got %d cached short documents, want 1000", n)
		}
	})
}

func TestDocumentCacheEvictsLeastRecentlyUsed(t *testing.T) {
	cache := guard.NewDocumentCache()
	cache.Add(t.Context(), "used", new(ast.QueryDocument))
	for i := range 3000 {
		cache.Add(t.Context(), strconv.Itoa(i), new(ast.QueryDocument))
		if _, ok := cache.Get(t.Context(), "used"); !ok {
			t.Fatalf("evicted after %d others", i+1)
		}
	}
}

func TestDocumentCacheIsSafeForConcurrentUse(t *testing.T) {
	h := newHandler(guard.POST{})
	h.SetQueryCache(guard.NewDocumentCache())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, jsonRequest(t.Context(), strings.NewReader(fmt.Sprintf(`{"query":"query Q%d { hello }"}`, (i+j)%5))))
				if w.Code != 200 || w.Body.String() != helloAnswer {
					t.Errorf("got %d %s, want 200 %s", w.Code, w.Body, helloAnswer)
				}
			}
		})
	}
	wg.Wait()
}
