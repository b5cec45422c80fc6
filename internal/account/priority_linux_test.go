package account

import (
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// usualNiceness is what threads have before there is any queue.
var usualNiceness = niceness()

// niceness of the calling thread; the system call answers 20 less that.
func niceness() int {
	n, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
	if err != nil {
		panic(err)
	}
	return 20 - n
}

func TestOnlyQueueThreadsHaveLowPriority(t *testing.T) {
	t.Parallel()
	if usualNiceness == 19 {
		t.Skip("the whole test runs at nice 19")
	}
	q := newTestQueue(t)
	for range 8 {
		if err := q.Do(t.Context(), func() error {
			if n := niceness(); n != 19 {
				t.Errorf("the queue works at nice %d", n)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		wantUsualNiceness(t)
	}
	q.Close()
	wantUsualNiceness(t)
}

// wantUsualNiceness looks at many. Each is kept until the last one has been looked at, so that none is seen twice.
func wantUsualNiceness(t *testing.T) {
	t.Helper()
	const many = 16
	var looked, left sync.WaitGroup
	looked.Add(many)
	for range many {
		left.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if n := niceness(); n != usualNiceness {
				t.Errorf("a thread of others at nice %d, want %d", n, usualNiceness)
			}
			looked.Done()
			looked.Wait()
		})
	}
	left.Wait()
}
