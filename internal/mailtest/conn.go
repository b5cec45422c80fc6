package mailtest

import (
	"fmt"
	"io"
	"net"
)

// conn is the server's end of a connection. go-smtp closes it when its session is over.
type conn struct {
	net.Conn
	server  *Server
	greeted bool
	writes  int  // that are still let through, -1: all
	then    Mode // what comes after them
	owes    bool // the answer to a message that was taken; the server's mu guards it
}

// Write is where the server speaks, so that it can be silent in between.
func (c *conn) Write(p []byte) (int, error) {
	if !c.greeted { // with implicit TLS this is the handshake already
		c.greeted = true
		if err := c.be(AtGreeting); err != nil {
			return 0, err
		}
	}
	switch {
	case c.writes == 0:
		return 0, c.misbehave(c.then)
	case c.writes > 0:
		c.writes--
	}
	defer c.server.quit(c)
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.server.leave(c)
	return err
}

// errGone ends a session whose connection is gone.
var errGone = fmt.Errorf("mailtest: %w", net.ErrClosed)

// be does what the mode wants at a stage: nothing, or the connection ends here.
func (c *conn) be(at Stage) error {
	if mode := c.server.now(); mode.at == at && mode.code == 0 {
		return c.misbehave(mode)
	}
	return nil
}

// misbehave ends the connection. Silence lasts until the client hangs up, or the server stops.
func (c *conn) misbehave(mode Mode) error {
	c.server.quit(c)
	if mode.silent {
		c.server.silences.add(mode.at)
		io.Copy(io.Discard, c.Conn)
	}
	c.Conn.Close()
	return errGone
}
