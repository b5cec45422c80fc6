package mail

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Inbox is the Transport of a development server. It keeps the last messages in memory and logs
// each with its link. Do not use it in production: the log contains every link.
type Inbox struct {
	log  *slog.Logger
	size int
	now  func() time.Time

	mu       sync.Mutex
	received []Received // oldest first
	count    int
}

// NewInbox returns an inbox that keeps the last size messages.
func NewInbox(log *slog.Logger, size int, now func() time.Time) *Inbox {
	return &Inbox{log: log, size: max(size, 1), now: now}
}

// Messages returns the kept messages, newest first.
func (i *Inbox) Messages() []Received {
	i.mu.Lock()
	defer i.mu.Unlock()
	newest := slices.Clone(i.received)
	slices.Reverse(newest)
	return newest
}

// Connect implements Transport. It never fails.
func (i *Inbox) Connect(context.Context) (Conn, error) { return inboxConn{i}, nil }

type inboxConn struct{ inbox *Inbox }

// Send rejects the messages that an SMTP transport rejects, so that a mistake shows in development.
func (c inboxConn) Send(ctx context.Context, m *Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := checkMessage(m); err != nil {
		return err
	}
	c.inbox.add(m)
	c.inbox.log.InfoContext(ctx, "mail", "to", m.To, "subject", m.Subject, "link", m.Link)
	return nil
}

func (c inboxConn) Close() error { return nil }

func (i *Inbox) add(m *Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.received) == i.size {
		i.received = slices.Delete(i.received, 0, 1)
	}
	i.count++
	i.received = append(i.received, Received{Message: *m, At: i.now(), N: i.count})
}
