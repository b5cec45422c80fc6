package mail

import "time"

// SetTimeouts sets all timeouts of s.
func (s *SMTP) SetTimeouts(d time.Duration) { s.timeouts = timeouts{d, d, 10 * d, d} }

// SetQuitTimeout sets only the timeout of QUIT.
func (s *SMTP) SetQuitTimeout(d time.Duration) { s.timeouts.quit = d }
