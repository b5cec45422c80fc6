package mailtest

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// waitList is a list that callers can wait on.
type waitList[T any] struct {
	mu      sync.Mutex
	items   []T
	changed chan struct{} // closed by the next change
}

func (t *waitList[T]) add(item T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.items = append(t.items, item)
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

func (t *waitList[T]) list() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.items)
}

// waitTimeout is generous for a busy machine. It is also longer than a server waits before it
// retries after a crash or a lost mail server, which is 30 seconds at first.
const waitTimeout = 2 * time.Minute

// wait returns the list as soon as it has n items. It reports false after waitTimeout, or when the
// test ends.
func (t *waitList[T]) wait(tb testing.TB, n int) (items []T, ok bool) {
	tb.Helper()
	timeout := time.After(waitTimeout)
	for {
		items, changed := t.watch()
		if len(items) >= n {
			return items, true
		}
		select {
		case <-changed:
		case <-timeout:
			return items, false
		case <-tb.Context().Done():
			return items, false
		}
	}
}

func (t *waitList[T]) watch() (items []T, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.changed == nil {
		t.changed = make(chan struct{})
	}
	return slices.Clone(t.items), t.changed
}
