//go:build linux || darwin

package models

import "golang.org/x/sys/unix"

// freeBytes are what is left to us on the disk that a folder is on; -1 if that is not known.
func freeBytes(folder string) int64 {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
