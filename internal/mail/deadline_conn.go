package mail

import (
	"errors"
	"net"
	"time"
)

// maxAnswerBytes bounds what is read between two writes. The longest answer is that of a TLS
// handshake.
const maxAnswerBytes = 64 << 10

var errAnswerTooLong = errors.New("the server's answer is too long")

// deadlineConn sets a deadline for each answer, counted from the last write. A server that sends a
// byte now and then gets no extra time.
type deadlineConn struct {
	net.Conn
	timeout time.Duration
	left    int
}

func (c *deadlineConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	c.left = maxAnswerBytes
	return c.Conn.Write(p)
}

func (c *deadlineConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errAnswerTooLong
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
