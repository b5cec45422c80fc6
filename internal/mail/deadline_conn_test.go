package mail

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// recordingConn is an endless source of bytes that records its deadlines.
type recordingConn struct {
	net.Conn
	deadlines []time.Time
}

func (c *recordingConn) SetDeadline(t time.Time) error {
	c.deadlines = append(c.deadlines, t)
	return nil
}
func (c *recordingConn) Write(p []byte) (int, error) { return len(p), nil }
func (c *recordingConn) Read(p []byte) (n int, err error) {
	return copy(p, strings.Repeat("x", len(p))), nil
}

// A server that sends a byte now and then gets no extra time.
func TestDeadlineCoversWholeAnswer(t *testing.T) {
	t.Parallel()
	raw := &recordingConn{}
	c := &deadlineConn{Conn: raw, timeout: time.Hour, left: maxAnswerBytes}
	for round := range 3 {
		before := time.Now()
		if _, err := c.Write([]byte("NOOP\r\n")); err != nil {
			t.Fatal(err)
		}
		read := 0
		for buffer := make([]byte, 1000); ; {
			n, err := c.Read(buffer)
			read += n
			if err != nil {
				if !errors.Is(err, errAnswerTooLong) {
					t.Error(err)
				}
				break
			}
		}
		if read != maxAnswerBytes {
			t.Errorf("read %d bytes of an endless answer, want %d", read, maxAnswerBytes)
		}
		if len(raw.deadlines) != round+1 || raw.deadlines[round].Before(before.Add(time.Hour)) {
			t.Errorf("after %d commands: got deadlines %v", round+1, raw.deadlines)
		}
	}
}
