package account

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/google/uuid"

	"fieldgate/internal/auth"
	"fieldgate/models"
)

// unknownTokenWindow is how long attempts of one network share an entry of the audit log.
const unknownTokenWindow = time.Hour

// recordUnknownToken counts a token of a link or of a session that is not in the database, in one entry of the audit log for
// each network and hour: a guessing client leaves a trace and does not fill the table. It returns err unless the
// entry cannot be written.
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

// aggregateID is the UUIDv7 of the entry that counts an event of one network from a time on. Every server makes the same one.
func aggregateID(event, network string, from time.Time) string {
	sum := sha256.Sum256([]byte("fieldgate audit aggregate\x00" + event + "\x00" + network + "\x00" + from.UTC().Format(time.RFC3339)))
	id := uuid.UUID(sum[:16])
	milliseconds := from.UnixMilli()
	for i := range 6 {
		id[i] = byte(milliseconds >> (8 * (5 - i)))
	}
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // the variant of RFC 9562
	return id.String()
}
