//go:build !exhaustive

package dbtest

const exhaustive = false
