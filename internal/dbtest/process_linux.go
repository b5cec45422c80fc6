package dbtest

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the command when this process dies. This covers a supervisor
// that is killed.
func dieWithParent(cmd *exec.Cmd) { attributes(cmd).Pdeathsig = syscall.SIGKILL }
