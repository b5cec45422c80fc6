package mail

import "time"

// SetTimeouts shortens all that an SMTP waits for.
func (s *SMTP) SetTimeouts(d time.Duration) { s.timeouts = timeouts{d, d, 10 * d, d} }

// SetQuitTimeout shortens only that.
func (s *SMTP) SetQuitTimeout(d time.Duration) { s.timeouts.quit = d }
