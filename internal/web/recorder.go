package web

import "net/http"

// recorder records the status and size of an answer. Besides the methods of http.ResponseWriter it
// has only Unwrap, through which http.ResponseController finds Flush, SetWriteDeadline and others.
type recorder struct {
	http.ResponseWriter
	status int   // 0 until the header is written
	bytes  int64 // of the body
}

// record returns w if it is a recorder already, so that consecutive middlewares share one.
func record(w http.ResponseWriter) *recorder {
	if rec, ok := w.(*recorder); ok {
		return rec
	}
	return &recorder{ResponseWriter: w}
}

func (r *recorder) WriteHeader(status int) {
	// Any number of 1xx statuses may come before the answer; only 101 is final.
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
