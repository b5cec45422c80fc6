//go:build !linux && !darwin

package models

// freeBytes are not known here.
func freeBytes(string) int64 { return -1 }
