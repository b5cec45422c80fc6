//go:build linux || darwin

package models

import "golang.org/x/sys/unix"

// freeBytes returns the bytes that this user can still write on the disk of a folder; -1 if
// unknown.
func freeBytes(folder string) int64 {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
