package account

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
	"fieldgate/models"
)

// unknownTokenWindow is how long attempts from one network share an audit entry.
const unknownTokenWindow = time.Hour

// recordUnknownToken counts an unknown one-time or refresh token in one audit entry per network and
// hour: a guessing client leaves a trace without filling the table. It returns err, or the error of
// writing the entry.
func (s *Service) recordUnknownToken(ctx context.Context, err error) error {
	now := s.config.Store.Now()
	network := coarseNetwork(auth.ViewerFrom(ctx).Client().IP)
	one := "1"
	written, failed := s.config.Store.IncrementAudit(ctx, &models.AuditEntry{
		ID: aggregateID(EventUnknownToken, network, now.Truncate(unknownTokenWindow)), Event: EventUnknownToken,
		Detail: &one, IP: optional(network), CreatedAt: now,
	})
	if failed != nil {
		return failed
	}
	if written {
		s.logEvent(ctx, &event{name: EventUnknownToken})
	} else if s.config.OnEvent != nil {
		s.config.OnEvent(EventUnknownToken)
	}
	return err
}

// aggregateID returns the UUIDv7 of the entry that counts an event of one network from a time on.
// All servers compute the same one.
func aggregateID(event, network string, from time.Time) string {
	key := "fieldgate audit aggregate\x00" + event + "\x00" + network + "\x00" + from.UTC().Format(time.RFC3339)
	sum := sha256.Sum256([]byte(key))
	id := uuid.UUID(sum[:16])
	milliseconds := from.UnixMilli()
	for i := range 6 {
		id[i] = byte(milliseconds >> (8 * (5 - i)))
	}
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562
	return id.String()
}
