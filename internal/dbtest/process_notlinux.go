//go:build !linux

package dbtest

import "os/exec"

// dieWithParent: only Linux can. Elsewhere the keeper's own clean-up has to do.
func dieWithParent(*exec.Cmd) {}
