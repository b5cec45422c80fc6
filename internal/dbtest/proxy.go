package dbtest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy is a TCP proxy to a database whose connections can be cut.
type Proxy struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	cut      bool
	ends     []net.Conn
}

// StartProxy returns a proxy to a database, and its DATABASE_URL.
func StartProxy(t testing.TB, databaseURL string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Proxy{listener: l, target: u.Host}
	t.Cleanup(func() { _ = l.Close(); w.SetCut(true) })
	go w.run()
	u.Host = l.Addr().String()
	return w, u.String()
}

func (w *Proxy) run() {
	for {
		here, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		there, err := net.Dial("tcp", w.target)
		if err != nil || w.cut {
			_ = here.Close()
		} else {
			w.ends = append(w.ends, here, there)
			go forward(here, there)
			go forward(there, here)
		}
		w.mu.Unlock()
	}
}

// forward copies from one end to the other and closes both when either ends. Otherwise the database
// would keep the transaction of a client that has gone, with its locks.
func forward(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}

// SetCut cuts the current connections and refuses new ones, or accepts new ones again.
func (w *Proxy) SetCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for _, c := range w.ends {
			_ = c.Close()
		}
		w.ends = nil
	}
}
