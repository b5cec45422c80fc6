package web

import "net/http"

// recorder remembers what was answered. It has no method beyond
// http.ResponseWriter's own but Unwrap, by which http.ResponseController finds
// Flush, SetWriteDeadline and the like.
type recorder struct {
	http.ResponseWriter
	status int   // 0 until the header is written
	bytes  int64 // of the body
}

// record is w itself when it records already, so that middlewares in a row
// share one recorder.
func record(w http.ResponseWriter) *recorder {
	if rec, ok := w.(*recorder); ok {
		return rec
	}
	return &recorder{ResponseWriter: w}
}

func (r *recorder) WriteHeader(status int) {
	// 1xx come before the answer, any number of them; only 101 ends the matter.
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK // as net/http does
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
