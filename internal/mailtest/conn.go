package mailtest

import (
	"fmt"
	"io"
	"net"
)

// conn is the server's side of a connection. go-smtp closes it when its session ends.
type conn struct {
	net.Conn
	server     *Server
	greeted    bool
	writesLeft int  // number of writes before finalMode applies; -1: no limit
	finalMode  Mode // applies after the last of writesLeft
	owesAnswer bool // an accepted message is unanswered; guarded by the server's mu
}

// Write sends what the server says. It applies the mode between two answers.
func (c *conn) Write(p []byte) (int, error) {
	if !c.greeted { // with implicit TLS the first write is the handshake
		c.greeted = true
		if err := c.applyMode(AtGreeting); err != nil {
			return 0, err
		}
	}
	switch {
	case c.writesLeft == 0:
		return 0, c.disconnect(c.finalMode)
	case c.writesLeft > 0:
		c.writesLeft--
	}
	defer c.server.answered(c)
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.server.untrack(c)
	return err
}

// errConnClosed ends the session of a closed connection.
var errConnClosed = fmt.Errorf("mailtest: %w", net.ErrClosed)

// applyMode applies the mode at a stage. It returns an error if the mode ended the connection.
func (c *conn) applyMode(at Stage) error {
	if mode := c.server.currentMode(); mode.stage == at && mode.code == 0 {
		return c.disconnect(mode)
	}
	return nil
}

// disconnect closes the connection. In a silent mode it first waits until the client hangs up or
// the server stops.
func (c *conn) disconnect(mode Mode) error {
	c.server.answered(c)
	if mode.silent {
		c.server.silences.add(mode.stage)
		io.Copy(io.Discard, c.Conn)
	}
	c.Conn.Close()
	return errConnClosed
}
