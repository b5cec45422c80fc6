package models

import (
	"time"

	"fieldgate/internal/dbwatch"
)

// ErrReadOnly is the ErrUnavailable of a database that answers and takes no writes. Its reads are refused too: after a
// failover they are those of the old primary.
var ErrReadOnly error = readOnlyError{}

type readOnlyError struct{}

func (readOnlyError) Error() string { return "reads and writes are refused" }

func (readOnlyError) Is(target error) bool { return target == ErrUnavailable }

// Silence returns how much of the time since a moment of the store's clock this server's database did not answer: neither
// the heartbeat of each second nor COMMIT. Gaps of less than 5 s do not count, and two minutes are remembered. A database
// in a file always answers.
//
// Gaps are measured in real time. The moment is taken as that far back as it is on the store's clock, so a test whose clock
// stands still or jumps may ask for a longer or shorter time, and never gets more than that time.
func (s *Store) Silence(since time.Time) time.Duration {
	return s.watch.Outage(time.Now().Add(-s.now().Sub(since)))
}

// Connections is the state of the connections to the database.
type Connections = dbwatch.State

// Connections returns the present state.
func (s *Store) Connections() Connections { return s.watch.State() }
