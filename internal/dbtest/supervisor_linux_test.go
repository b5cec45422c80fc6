package dbtest

import (
	"os"
	"testing"
)

// A keeper that is killed cannot clean up. Its server must not outlive it.
func TestMariaDBDiesWithSupervisor(t *testing.T) {
	requireMariaDB(t)
	tmp := tempDir(t) // for what it leaves behind
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	k, err := startMariaDBSupervisor()
	if err != nil {
		t.Fatal(err)
	}
	s, err := dialServer("mysql://root@" + k.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.admin.Close() }()
	waiting := make(chan error)
	go func() {
		_, err := s.admin.Exec("DO SLEEP(60)")
		waiting <- err
	}()
	killProcess(t, k.cmd.Process.Pid)
	if err := <-waiting; err == nil {
		t.Error("the server went on for a minute")
	}
	if err := k.stop(); err == nil {
		t.Error("a killed keeper was no error")
	}
}
