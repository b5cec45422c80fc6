package models

import (
	"time"

	"fieldgate/internal/dbwatch"
)

// ErrReadOnly is the ErrUnavailable of a database that answers but rejects writes. The store
// rejects reads too: after a failover they would come from the old primary.
var ErrReadOnly error = readOnlyError{}

type readOnlyError struct{}

func (readOnlyError) Error() string { return "reads and writes are refused" }

func (readOnlyError) Is(target error) bool { return target == ErrUnavailable }

// Silence returns for how long the database did not answer since a moment of the store's clock:
// neither the heartbeat, which runs every second, nor COMMIT. Gaps below 5 s do not count, and only
// the last two minutes are known. A SQLite file always answers.
//
// Gaps are measured in real time. The moment is converted to a real time that lies as far back as
// it does on the store's clock. So a test whose clock stands still or jumps may ask for a longer or
// shorter time, and never gets more than that time.
func (s *Store) Silence(since time.Time) time.Duration {
	return s.watch.Outage(time.Now().Add(-s.now().Sub(since)))
}

// Connections is the state of the connections to the database.
type Connections = dbwatch.State

// Connections returns the current state.
func (s *Store) Connections() Connections { return s.watch.State() }
