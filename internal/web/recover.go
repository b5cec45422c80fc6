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

// Recover turns a panic into one log line, with its stack, and the answer 500
// in the shape of a GraphQL error, which tells nothing but the request's id.
//
// When part of the answer is out already it cannot be taken back; the
// connection is cut, since a body that just ends looks whole to the client.
// http.ErrAbortHandler asks for exactly that and passes through unlogged.
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
	// What the handler meant to say about its own answer does not hold for this one.
	for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified"} {
		w.Header().Del(name)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write(body)
}
