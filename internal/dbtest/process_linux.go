package dbtest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the command when we die: the last resort,
// for a keeper that is killed itself.
func dieWithParent(cmd *exec.Cmd) { attributes(cmd).Pdeathsig = syscall.SIGKILL }
