package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/urfave/cli/v3"
)

// healthcheckTimeout is longer than the timeout of /readyz.
const healthcheckTimeout = 4 * time.Second

func (c Console) healthcheck(ctx context.Context, cmd *cli.Command) error {
	if _, err := arguments(cmd); err != nil {
		return err
	}
	s, err := c.settings()
	if err != nil {
		return err
	}
	path := "/readyz"
	if cmd.Bool("live") {
		path = "/healthz"
	}
	page := "http://" + loopbackAddr(s.Config.Addr) + path
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	// HTTP_PROXY does not apply to the loopback interface.
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("%w. Hint: set ADDR and PORT as for the server", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s. Hint: the server's log has the reason", page, answer.Status)
	}
	return nil
}

// loopbackAddr returns the address at which a server that listens on addr is reached from its own
// machine.
func loopbackAddr(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	switch host {
	case "", "0.0.0.0", "localhost": // the server may have no IPv6
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
