//go:build !linux

package account

const canLowerPriority = false

func lowerPriority() {}
