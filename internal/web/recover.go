package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"fieldgate/fgerr"
)

// Recover turns a panic into one log line with its stack, and the answer 500 in the form of a
// GraphQL error. The answer reveals only the request's id.
//
// If a part of the answer was sent already, the connection is aborted, because a client would take
// a truncated body for a complete one. http.ErrAbortHandler requests exactly that and passes
// through without a log line.
func Recover(logger *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := record(w)
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(http.ErrAbortHandler)
				}
				logger.LogAttrs(r.Context(), slog.LevelError, "panic",
					slog.String("panic", fmt.Sprint(v)),
					slog.String("stack", string(debug.Stack())))
				if rec.status != 0 {
					panic(http.ErrAbortHandler)
				}
				writeInternal(rec, RequestIDFrom(r.Context()))
			}()
			next.ServeHTTP(rec, r)
		})
	}
}

func writeInternal(w http.ResponseWriter, requestID string) {
	type extensions struct {
		Code      string `json:"code"`
		RequestID string `json:"requestId,omitempty"`
	}
	type graphqlError struct {
		Message    string     `json:"message"`
		Extensions extensions `json:"extensions"`
	}
	body, err := json.Marshal(struct {
		Errors []graphqlError `json:"errors"`
	}{[]graphqlError{{"internal error", extensions{fgerr.Internal, requestID}}}})
	if err != nil {
		panic(err) // strings always encode
	}
	// These headers described the handler's own answer.
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		w.Header().Del(name)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write(body)
}
