package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"fieldgate/internal/auth"
	"fieldgate/internal/dbtest"
)

// Each benchmark runs the server and its limit in turn, A B A B, and reports how much of the limit's speed the
// server reaches: on a noisy machine only such a ratio means something.
//
//	go test -run '^$' -bench . -benchtime 5s ./test/e2e

// compareWithBaseline compares ours with the least that could do the same work.
func compareWithBaseline(b *testing.B, ours, limit func()) {
	b.Helper()
	ours()
	limit()
	var took, best time.Duration
	for b.Loop() {
		start := time.Now()
		ours()
		middle := time.Now()
		limit()
		took += middle.Sub(start)
		best += time.Since(middle)
	}
	b.ReportMetric(0, "ns/op") // source both together: it would only mislead
	b.ReportMetric(float64(took.Microseconds())/float64(b.N), "µs/ours")
	b.ReportMetric(float64(best.Microseconds())/float64(b.N), "µs/limit")
	b.ReportMetric(best.Seconds()/took.Seconds(), "of-limit")
}

func benchEachDatabase(b *testing.B, f func(b *testing.B, databaseURL string)) {
	b.Run("sqlite", func(b *testing.B) { f(b, dbtest.SQLite(b)) })
	b.Run("mysql", func(b *testing.B) { f(b, dbtest.MySQL(b)) })
}

// me, beside a handler that verifies the same token, asks the same query and writes the same answer.
func BenchmarkMe(b *testing.B) {
	benchEachDatabase(b, func(b *testing.B, databaseURL string) {
		s := boot(b, databaseURL, "LOG_LEVEL", "error")
		user := s.NewUser("USER")
		tokens, err := s.internal.Tokens, error(nil)
		if err != nil {
			b.Fatal(err)
		}
		byHand := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claims, err := tokens.Verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			if err != nil {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			session, err := s.internal.Store.SessionWithUser(r.Context(), claims.SessionID, claims.Subject)
			if err != nil || session.Ended(s.Clock.Now()) {
				http.Error(w, "no", http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"me": map[string]string{
				"id": session.User.ID, "name": session.User.Name, "email": session.User.Email, "role": session.User.Role,
			}}})
		}))
		b.Cleanup(byHand.Close)
		compareWithBaseline(b, post(b, s.URL+"/graphql", user.Token, `{"query":"{ me { id name email role } }"}`), post(b, byHand.URL, user.Token, ""))
	})
}

// me by GET, beside the same by POST, in processor time of the handler alone.
func BenchmarkMeByGET(b *testing.B) {
	s := boot(b, dbtest.SQLite(b), "LOG_LEVEL", "error")
	token := s.NewUser("USER").Token
	send := func(method, target, body string) func() {
		return func() {
			r := httptest.NewRequest(method, "http://localhost"+target, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Accept", "application/graphql-response+json")
			if method == http.MethodPost {
				r.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			if s.internal.Handler.ServeHTTP(w, r); !strings.Contains(w.Body.String(), `"me":{"id"`) {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
		}
	}
	get := send(http.MethodGet, "/graphql?query=%7B+me+%7B+id+name+email+role+%7D+%7D", "")
	post := send(http.MethodPost, "/graphql", `{"query":"{ me { id name email role } }"}`)
	get()
	post()
	const rounds = 20 // the clock of processor time may be coarse
	var byGET, byPOST time.Duration
	for b.Loop() {
		byGET += cpuTimeOf(func() { repeat(rounds, get) })
		byPOST += cpuTimeOf(func() { repeat(rounds, post) })
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(byGET.Microseconds())/float64(b.N*rounds), "µs/GET")
	b.ReportMetric(float64(byPOST.Microseconds())/float64(b.N*rounds), "µs/POST")
	b.ReportMetric(byGET.Seconds()/byPOST.Seconds(), "of-POST")
}

func repeat(n int, f func()) {
	for range n {
		f()
	}
}

// me of a server that is watched, beside the same of one that is not: what METRICS_ADDR and traces cost. What is off has no
// code in the way; TestRecordingDoesNotAllocate and TestNoTraceDoesNotAllocate hold what there is.
func BenchmarkInstrumentedMe(b *testing.B) {
	taken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(taken.Close)
	for _, row := range []struct {
		name string
		env  []string
	}{
		{"metrics", metricsEnv},
		{"traces", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", taken.URL}},
		{"a tenth of the traces", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", taken.URL, "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0.1"}},
	} {
		b.Run(row.name, func(b *testing.B) {
			databaseURL := dbtest.SQLite(b)
			alone := boot(b, databaseURL, "LOG_LEVEL", "error")
			watched := boot(b, databaseURL, append([]string{"LOG_LEVEL", "error"}, row.env...)...)
			user := alone.NewUser("USER")
			const me = `{"query":"{ me { id name email role } }"}`
			compareWithBaseline(b, post(b, watched.URL+"/graphql", user.Token, me), post(b, alone.URL+"/graphql", user.Token, me))
		})
	}
}

// A field that is refused for want of a token, beside a handler that only refuses: what GraphQL itself costs.
func BenchmarkDeniedField(b *testing.B) {
	s := boot(b, dbtest.SQLite(b), "LOG_LEVEL", "error")
	byHand := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"errors":[{"message":"sign in first"}],"data":{"users":null}}`)
	}))
	b.Cleanup(byHand.Close)
	body := `{"query":"{ users { edges { cursor } } }"}`
	compareWithBaseline(b, post(b, s.URL+"/graphql", "", body), post(b, byHand.URL, "", body))
}

// A gated field that is granted, beside the same one without a gate: what @auth costs once somebody has asked
// for me.
func BenchmarkGatedField(b *testing.B) {
	s := boot(b, dbtest.SQLite(b), "LOG_LEVEL", "error")
	user := s.NewUser("USER")
	gated := post(b, s.URL+"/graphql", user.Token, `{"query":"{ me { email } }"}`)
	open := post(b, s.URL+"/graphql", user.Token, `{"query":"{ me { name } }"}`)
	compareWithBaseline(b, gated, open)
}

// login, beside bare bcrypt at the same cost.
func BenchmarkLogin(b *testing.B) {
	benchEachDatabase(b, func(b *testing.B, databaseURL string) {
		s := boot(b, databaseURL, "BCRYPT_COST", "12", "LOG_LEVEL", "error")
		p := s.NewUser("USER")
		body, err := json.Marshal(map[string]string{"query": `mutation { login(input: {email: "` + p.Email + `", password: "` + p.Password + `"}) { accessToken } }`})
		if err != nil {
			b.Fatal(err)
		}
		hash, err := bcrypt.GenerateFromPassword([]byte(p.Password), 12)
		if err != nil {
			b.Fatal(err)
		}
		compareWithBaseline(b, post(b, s.URL+"/graphql", "", string(body)), func() {
			if err := bcrypt.CompareHashAndPassword(hash, []byte(p.Password)); err != nil {
				b.Fatal(err)
			}
		})
	})
}

func BenchmarkVerifyToken(b *testing.B) {
	s := boot(b, dbtest.SQLite(b))
	tokens, err := s.internal.Tokens, error(nil)
	if err != nil {
		b.Fatal(err)
	}
	token := s.NewUser("USER").Token
	var claims *auth.Claims
	for b.Loop() {
		if claims, err = tokens.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
	_ = claims
}

// post sends one request over a connection that stays open, and checks that it was answered with data.
func post(b *testing.B, url, token, body string) func() {
	client := &http.Client{Transport: &http.Transport{}}
	b.Cleanup(client.CloseIdleConnections)
	var answer bytes.Buffer
	return func() {
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		answer.Reset()
		_, err = answer.ReadFrom(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(answer.Bytes(), []byte(`"data":{`)) {
			b.Fatalf("%d %v %s", response.StatusCode, err, answer.Bytes())
		}
	}
}
