package mail

import (
	"errors"
	"net"
	"time"
)

// maxAnswerBytes bounds what is read before the client says something again: a
// TLS handshake is the longest that a server has to say.
const maxAnswerBytes = 64 << 10

var errTalkative = errors.New("the server's answer is too long")

// patientConn gives the server a time for each answer, counted from the last
// thing that it was sent. A server that sends a byte now and then does not get more.
type patientConn struct {
	net.Conn
	patience time.Duration
	left     int
}

func (c *patientConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	c.left = maxAnswerBytes
	return c.Conn.Write(p)
}

func (c *patientConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTalkative
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
