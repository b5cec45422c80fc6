package account

import (
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// usualNiceness is the niceness of threads before a queue starts.
var usualNiceness = niceness()

// niceness returns that of the calling thread. The system call returns 20 minus that value.
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
				t.Errorf("the queue's thread runs at nice %d, want 19", n)
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

// wantUsualNiceness checks many threads. Each is held until all have been checked, so that none is
// counted twice.
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
				t.Errorf("another thread runs at nice %d, want %d", n, usualNiceness)
			}
			looked.Done()
			looked.Wait()
		})
	}
	left.Wait()
}
