package account

import "golang.org/x/sys/unix"

const canLowerPriority = true

// lowerPriority makes the calling thread the last one to be given a processor (nice 19). On Linux the
// priority is a thread's own (setpriority(2), "C library/kernel differences"). Without leave it stays as it is.
func lowerPriority() { _ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19) }
