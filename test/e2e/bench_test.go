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

// Each benchmark runs the server and a hand-written baseline in turn, A B A B, and reports the
// ratio of their speeds. On a noisy machine only such a ratio is meaningful.
//
//	go test -run '^$' -bench . -benchtime 5s ./test/e2e

// compareWithBaseline reports the time of ours, of a baseline that does the least possible work,
// and their ratio.
func compareWithBaseline(b *testing.B, ours, baseline func()) {
	b.Helper()
	ours()
	baseline()
	var oursTime, baselineTime time.Duration
	for b.Loop() {
		start := time.Now()
		ours()
		middle := time.Now()
		baseline()
		oursTime += middle.Sub(start)
		baselineTime += time.Since(middle)
	}
	b.ReportMetric(0, "ns/op") // hides the misleading sum of both
	b.ReportMetric(float64(oursTime.Microseconds())/float64(b.N), "µs/ours")
	b.ReportMetric(float64(baselineTime.Microseconds())/float64(b.N), "µs/baseline")
	b.ReportMetric(baselineTime.Seconds()/oursTime.Seconds(), "of-baseline")
}

func benchEachDatabase(b *testing.B, f func(b *testing.B, databaseURL string)) {
	b.Run("sqlite", func(b *testing.B) { f(b, dbtest.SQLite(b)) })
	b.Run("mysql", func(b *testing.B) { f(b, dbtest.MySQL(b)) })
}

// BenchmarkMe compares me with a handler that verifies the same token, runs the same query and
// writes the same response.
func BenchmarkMe(b *testing.B) {
	benchEachDatabase(b, func(b *testing.B, databaseURL string) {
		s := boot(b, databaseURL, "LOG_LEVEL", "error")
		user := s.NewUser("USER")
		tokens := s.internal.Tokens
		handWritten := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		b.Cleanup(handWritten.Close)
		compareWithBaseline(b, post(b, s.URL+"/graphql", user.Token, `{"query":"{ me { id name email role } }"}`), post(b, handWritten.URL, user.Token, ""))
	})
}

// BenchmarkMeByGET compares me by GET and by POST, in CPU time of the handler alone.
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
	const rounds = 20 // the CPU clock may be coarse
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

// BenchmarkInstrumentedMe measures the cost of metrics and traces: me of a server with them, and of
// one without. Disabled instrumentation runs no code; TestRecordingDoesNotAllocate and
// TestNoTraceDoesNotAllocate hold what there is.
func BenchmarkInstrumentedMe(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(collector.Close)
	for _, row := range []struct {
		name string
		env  []string
	}{
		{"metrics", metricsEnv},
		{"traces", []string{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL}},
		{
			"a tenth of the traces",
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL, "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0.1"},
		},
	} {
		b.Run(row.name, func(b *testing.B) {
			databaseURL := dbtest.SQLite(b)
			plain := boot(b, databaseURL, "LOG_LEVEL", "error")
			instrumented := boot(b, databaseURL, append([]string{"LOG_LEVEL", "error"}, row.env...)...)
			user := plain.NewUser("USER")
			const me = `{"query":"{ me { id name email role } }"}`
			compareWithBaseline(b, post(b, instrumented.URL+"/graphql", user.Token, me), post(b, plain.URL+"/graphql", user.Token, me))
		})
	}
}

// BenchmarkDeniedField compares a field that is denied without a token with a handler that always
// denies. The difference is the cost of GraphQL.
func BenchmarkDeniedField(b *testing.B) {
	s := boot(b, dbtest.SQLite(b), "LOG_LEVEL", "error")
	handWritten := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"errors":[{"message":"sign in first"}],"data":{"users":null}}`)
	}))
	b.Cleanup(handWritten.Close)
	body := `{"query":"{ users { edges { cursor } } }"}`
	compareWithBaseline(b, post(b, s.URL+"/graphql", "", body), post(b, handWritten.URL, "", body))
}

// BenchmarkGatedField compares a field that @auth allows with an ungated one. The difference is the
// cost of @auth once me has loaded the viewer.
func BenchmarkGatedField(b *testing.B) {
	s := boot(b, dbtest.SQLite(b), "LOG_LEVEL", "error")
	user := s.NewUser("USER")
	gated := post(b, s.URL+"/graphql", user.Token, `{"query":"{ me { email } }"}`)
	ungated := post(b, s.URL+"/graphql", user.Token, `{"query":"{ me { name } }"}`)
	compareWithBaseline(b, gated, ungated)
}

// BenchmarkLogin compares login with a single bcrypt comparison at the same cost.
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
	tokens := s.internal.Tokens
	token := s.NewUser("USER").Token
	var (
		claims *auth.Claims
		err    error
	)
	for b.Loop() {
		if claims, err = tokens.Verify(token); err != nil {
			b.Fatal(err)
		}
	}
	_ = claims
}

// post returns a function that sends a request over a kept-alive connection and checks that the
// response has data.
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
