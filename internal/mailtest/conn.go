package mailtest

import (
	"fmt"
	"io"
	"net"
)

// conn is the server's end of a connection. go-smtp closes it when its session is over.
type conn struct {
	net.Conn
	server     *Server
	greeted    bool
	writesLeft int  // that are still let through, -1: all
	finalMode  Mode // what comes after them
	owesAnswer bool // the answer to a message that was taken; the server's mu guards it
}

// Write is where the server speaks, so that it can be silent in between.
func (c *conn) Write(p []byte) (int, error) {
	if !c.greeted { // with implicit TLS this is the handshake already
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

// errConnClosed ends a session whose connection is gone.
var errConnClosed = fmt.Errorf("mailtest: %w", net.ErrClosed)

// applyMode does what the mode wants at a stage: nothing, or the connection ends here.
func (c *conn) applyMode(at Stage) error {
	if mode := c.server.currentMode(); mode.stage == at && mode.code == 0 {
		return c.disconnect(mode)
	}
	return nil
}

// disconnect ends the connection. Silence lasts until the client hangs up, or the server stops.
func (c *conn) disconnect(mode Mode) error {
	c.server.answered(c)
	if mode.silent {
		c.server.silences.add(mode.stage)
		io.Copy(io.Discard, c.Conn)
	}
	c.Conn.Close()
	return errConnClosed
}
