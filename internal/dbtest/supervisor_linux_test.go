package dbtest

import (
	"os"
	"testing"
)

// A supervisor that is killed cannot clean up. Its server must not outlive it.
func TestMariaDBDiesWithSupervisor(t *testing.T) {
	requireMariaDB(t)
	tmp := tempDir(t) // for what the supervisor leaves behind
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	sup, err := startMariaDBSupervisor()
	if err != nil {
		t.Fatal(err)
	}
	s, err := dialServer("mysql://root@" + sup.addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.admin.Close() }()
	waiting := make(chan error)
	go func() {
		_, err := s.admin.Exec("DO SLEEP(60)")
		waiting <- err
	}()
	killProcess(t, sup.cmd.Process.Pid)
	if err := <-waiting; err == nil {
		t.Error("the server outlived the supervisor")
	}
	if err := sup.stop(); err == nil {
		t.Error("stop returned no error for a killed supervisor")
	}
}
