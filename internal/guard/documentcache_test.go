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
		{"no string literal, which may be a password", `mutation { login(password: "x") }`, false},
		{"no block string", `mutation { login(password: """x""") }`, false},
		{"no quotation mark in a comment either", "{ me } # \"", false},
		{"a long document", "{ " + strings.Repeat("a", 8<<10-4) + " }", true},
		{"none that is longer", "{ " + strings.Repeat("a", 8<<10-3) + " }", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cache, document := guard.NewDocumentCache(), new(ast.QueryDocument)
			cache.Add(t.Context(), tt.text, document)
			got, ok := cache.Get(t.Context(), tt.text)
			if ok != tt.kept || ok && got != document {
				t.Errorf("kept: %v, want %v", ok, tt.kept)
			}
			if _, ok := cache.Get(t.Context(), tt.text+" "); ok {
				t.Error("another text finds it")
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
		cache.Add(t.Context(), text, new(ast.QueryDocument)) // again, which must not count twice
		texts = append(texts, text)
	}
	return texts
}

func TestDocumentCacheIsBounded(t *testing.T) {
	t.Run("by number", func(t *testing.T) {
		cache := guard.NewDocumentCache()
		texts := fillCache(t, cache, 1500, 10)
		if n := countKept(t, cache, texts); n != 1000 {
			t.Errorf("%d documents kept, want 1000", n)
		}
		if n := countKept(t, cache, texts[500:]); n != 1000 {
			t.Errorf("%d of the last 1000 kept", n)
		}
	})
	t.Run("by the sum of the texts", func(t *testing.T) {
		cache := guard.NewDocumentCache()
		texts := fillCache(t, cache, 100, 8<<10)
		if n := countKept(t, cache, texts); n != 32 {
			t.Errorf("%d documents of 8 KiB kept, want 32", n)
		}
		if n := countKept(t, cache, texts[68:]); n != 32 {
			t.Errorf("%d of the last 32 kept", n)
		}
		// What was dropped is no longer counted.
		if n := countKept(t, cache, fillCache(t, cache, 1000, 10)); n != 1000 {
			t.Errorf("%d short documents kept, want 1000", n)
		}
	})
}

func TestDocumentCacheEvictsLeastRecentlyUsed(t *testing.T) {
	cache := guard.NewDocumentCache()
	cache.Add(t.Context(), "used", new(ast.QueryDocument))
	for i := range 3000 {
		cache.Add(t.Context(), strconv.Itoa(i), new(ast.QueryDocument))
		if _, ok := cache.Get(t.Context(), "used"); !ok {
			t.Fatalf("dropped after %d others", i+1)
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
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
}
