package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"fieldgate/internal/auth"
)

// baselineEnv names the environment variable that makes this program run as the hand-written
// baseline. Its value is the address to listen on.
const baselineEnv = "FIELDGATE_BENCH_LIMIT"

// sessionQuery looks up the session of a request. The baseline uses it, and the peers have the same
// text.
const sessionQuery = `SELECT u.id, u.name, u.email, u.role FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.id = ? AND s.epoch = u.session_epoch AND s.expires_at > UTC_TIMESTAMP(3) AND u.disabled_at IS NULL`

// baseline is a hand-written server, the least code for the same work. It returns the responses of
// Fieldgate without GraphQL and does not read the query.
type baseline struct {
	tokens *auth.Tokens
	lookup *sql.Stmt // sessionQuery
}

type userJSON struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	Role  string `json:"role"`
}

// The paths of the baseline.
const (
	pathMe      = "/me"      // verifies the token and looks up the session
	pathRefused = "/refused" // does the same and denies the request
	pathToken   = "/token"   // verifies the token
)

func (l *baseline) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathMe, l.withSession(func(user *userJSON) any {
		return map[string]any{"data": map[string]any{"me": user}}
	}))
	mux.HandleFunc("POST "+pathRefused, l.withSession(func(*userJSON) any {
		return map[string]any{
			"errors": []any{map[string]any{"message": "not with your role", "path": []any{"user"}, "extensions": map[string]any{"code": "FORBIDDEN"}}},
			"data":   map[string]any{"user": nil},
		}
	}))
	mux.HandleFunc("POST "+pathToken, l.withToken(func(w http.ResponseWriter, _ *http.Request, c *auth.Claims) {
		writeJSON(w, map[string]any{"data": map[string]any{"me": map[string]any{"id": c.Subject}}})
	}))
	return mux
}

func (l *baseline) withSession(response func(*userJSON) any) http.HandlerFunc {
	return l.withToken(func(w http.ResponseWriter, r *http.Request, c *auth.Claims) {
		var u userJSON
		if err := l.lookup.QueryRowContext(r.Context(), c.SessionID).Scan(&u.ID, &u.Name, &u.Email, &u.Role); err != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		writeJSON(w, response(&u))
	})
}

func (l *baseline) withToken(next func(http.ResponseWriter, *http.Request, *auth.Claims)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 128<<10)); err != nil {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		claims, err := l.tokens.Verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if err != nil {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		next(w, r, claims)
	}
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client may have disconnected
}

// serveBaseline runs the baseline on addr.
func serveBaseline(addr string) error {
	tokens, err := newTokens()
	if err != nil {
		return err
	}
	db, err := openDatabase(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(32)
	lookup, err := db.Prepare(sessionQuery)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: addr, Handler: (&baseline{tokens, lookup}).handler(), ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// bcryptRate measures how many bcrypt comparisons per second all CPUs do, and the CPU time of each.
func bcryptRate(ctx context.Context, hash string, lasts time.Duration) (perSecond float64, each time.Duration, err error) {
	before, err := processorTime(os.Getpid())
	if err != nil {
		return 0, 0, err
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range runtime.NumCPU() {
		wg.Go(func() {
			for ctx.Err() == nil && time.Since(begin) < lasts {
				_ = bcrypt.CompareHashAndPassword([]byte(hash), []byte("a wrong guess"))
				done.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	after, err := processorTime(os.Getpid())
	n := max(done.Load(), 1)
	return float64(n) / took.Seconds(), (after - before) / time.Duration(n), err
}
