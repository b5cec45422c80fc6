//go:build exhaustive

package dbtest

const exhaustive = true
