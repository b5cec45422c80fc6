package mail

import "time"

// SetPatience shortens all that an SMTP waits for.
func (s *SMTP) SetPatience(d time.Duration) { s.limits = limits{d, d, 10 * d, d} }

// SetPatienceForGoodbye shortens only that.
func (s *SMTP) SetPatienceForGoodbye(d time.Duration) { s.limits.quit = d }
