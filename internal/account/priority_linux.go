package account

import "golang.org/x/sys/unix"

const canLowerPriority = true

// lowerPriority gives the calling thread the lowest priority (nice 19). On Linux the priority
// belongs to the thread (setpriority(2), "C library/kernel differences"). Without permission it
// stays unchanged.
func lowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19) }
