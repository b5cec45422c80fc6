//go:build !linux && !darwin

package models

// freeBytes is unsupported on this platform.
func freeBytes(string) int64 { return -1 }
