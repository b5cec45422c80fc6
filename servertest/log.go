package servertest

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

// Log records the log of a server, one JSON object a line. It is safe for concurrent use.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Records returns the lines of the log, decoded. A line that is not a complete JSON object fails
// the test.
func (l *Log) Records(t testing.TB) (records []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("log line is not a JSON record: %v in %q", err, line)
		}
		records = append(records, record)
	}
	return records
}
