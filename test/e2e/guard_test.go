package e2e

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/guard"
	"fieldgate/servertest"
)

// attack is a request that is small to send and was expensive to answer in some server.
type attack struct {
	name  string
	body  string
	code  string
	limit string // the extension of QUERY_TOO_COMPLEX
}

// doublingFragments returns 25 fragments, each of which spreads the next one twice, and the last
// one.
func doublingFragments(on, body, end string) string {
	var b strings.Builder
	for i := range 25 {
		fmt.Fprintf(&b, "fragment F%d on %s{%s}", i, on, strings.ReplaceAll(body, "NEXT", fmt.Sprintf("...F%d", i+1)))
	}
	return b.String() + "fragment F25 on " + on + "{" + end + "}"
}

var attacks = []attack{
	{"100,000 brackets", requestBody(strings.Repeat("[", 100_000)), "QUERY_TOO_COMPLEX", "nesting"},
	{"30,000 nested selection sets", requestBody(strings.Repeat("{a", 30_000)), "QUERY_TOO_COMPLEX", "nesting"},
	{
		"30,000 nested lists in an argument", requestBody("{user(id:" + strings.Repeat("[", 30_000)),
		"QUERY_TOO_COMPLEX", "nesting",
	},
	{"30,000 nested types", requestBody("query($v:" + strings.Repeat("[", 30_000)), "QUERY_TOO_COMPLEX", "nesting"},
	{"me 2,000 times", requestBody("{" + strings.Repeat("me{id}", 2000) + "}"), "QUERY_TOO_COMPLEX", "tokens"},
	{
		"me as often as the token limit allows", requestBody("{" + strings.Repeat("me{id}", 499) + "}"),
		"QUERY_TOO_COMPLEX", "rootFields",
	},
	{"one field 1,900 times", requestBody("{me{" + strings.Repeat("id ", 1900) + "}}"), "QUERY_TOO_COMPLEX", "fields"},
	{"one field 900 times", requestBody("{me{" + strings.Repeat("id ", 900) + "}}"), "QUERY_TOO_COMPLEX", "validation"},
	{
		"one field 20 times in one field 45 times",
		requestBody("{" + strings.Repeat("me{"+strings.Repeat("id ", 20)+"}", 45) + "}"),
		"QUERY_TOO_COMPLEX", "validation",
	},
	{"5,000 aliases", requestBody("{" + repeatNumbered(5000, "a#:__typename ") + "}"), "QUERY_TOO_COMPLEX", "tokens"},
	{"600 aliases", requestBody("{me{" + repeatNumbered(600, "a#:id ") + "}}"), "QUERY_TOO_COMPLEX", "aliases"},
	{
		"2,000 directives", requestBody("{me " + strings.Repeat("@skip(if:true)", 2000) + "{id}}"),
		"QUERY_TOO_COMPLEX", "directives",
	},
	{
		"2,000 unknown directives", requestBody("{me " + strings.Repeat("@a", 2000) + "{id}}"),
		"QUERY_TOO_COMPLEX", "directives",
	},
	{
		"doubling fragments", requestBody("{me{...F0}}" + doublingFragments("User", "NEXT NEXT", "id")),
		"QUERY_TOO_COMPLEX", "fields",
	},
	{
		"doubling fragments at the root",
		requestBody("{...F0}" + doublingFragments("Query", "NEXT NEXT", "me{id}")), "QUERY_TOO_COMPLEX",
		"rootFields",
	},
	{
		"unused doubling fragments", requestBody("{me{id}}" + doublingFragments("User", "NEXT NEXT", "id")),
		"QUERY_TOO_COMPLEX", "validation",
	},
	{
		"doubling fragments of introspection",
		requestBody("{__schema{types{...F0}}}" + doublingFragments("__Type", "a:ofType{NEXT}b:ofType{NEXT}", "name")),
		"QUERY_TOO_COMPLEX", "depth",
	},
	{
		"a fragment cycle that an overlap check does not leave",
		requestBody("{me{...F}}fragment F on User{a{a{...F}...F}a{...F}}"), "GRAPHQL_VALIDATION_FAILED", "",
	},
	{
		"a cycle of 30 fragments, each of which spreads 20",
		requestBody("{me{...F0}}" + repeatNumbered(30, "fragment F# on User{a{"+repeatNumbered(20, "...F# ")+"}}")),
		"GRAPHQL_VALIDATION_FAILED", "",
	},
	{
		"the schema 50 times",
		requestBody("{" + repeatNumbered(50, "a#:__schema{types{fields{type{fields{name description}}}}}") + "}"),
		"QUERY_TOO_COMPLEX", "introspection",
	},
	{
		"variables nested 9,000 deep",
		`{"query":"{me{id}}","variables":{"v":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}}`,
		"BAD_USER_INPUT", "",
	},
	{
		"50,000 values in the variables",
		`{"query":"query($v:[Int]){me{id}}","variables":{"v":[1` + strings.Repeat(",1", 50_000) + `]}}`,
		"QUERY_TOO_COMPLEX", "variableValues",
	},
	{
		"400 variables", requestBody("query(" + repeatNumbered(400, "$v#:Int ") + "){me{id}}"),
		"QUERY_TOO_COMPLEX", "variables",
	},
	{"100 operations", requestBody(repeatNumbered(100, "query Q#{me{id}}")), "QUERY_TOO_COMPLEX", "operations"},
	{
		"200 fragments", requestBody("{me{id}}" + repeatNumbered(200, "fragment F# on User{id}")),
		"QUERY_TOO_COMPLEX", "fragments",
	},
	{
		"a name of 100,000 letters", requestBody("{" + strings.Repeat("m", 100_000) + "}"),
		"QUERY_TOO_COMPLEX", "nameLength",
	},
	{
		"900 unknown fields",
		requestBody("{me{" + repeatNumbered(900, "wrong#"+strings.Repeat("x", 100)+" ") + "}}"),
		"GRAPHQL_VALIDATION_FAILED", "",
	},
	{
		"an invalid value of 100,000 letters",
		requestBody(`{user(id:[{x:"` + strings.Repeat("x", 100_000) + `"}]){id}}`),
		"GRAPHQL_VALIDATION_FAILED", "",
	},
	{
		"a variable of 100,000 letters",
		`{"query":"mutation($v:LoginInput!){login(input:$v){tokenType}}","variables":{"v":{"` + strings.Repeat("x", 100_000) + `":1}}}`,
		"GRAPHQL_VALIDATION_FAILED", "",
	},
	{"a body of 10 MB", `{"query":"` + strings.Repeat(" ", 10<<20) + `{me{id}}"}`, "BAD_USER_INPUT", ""},
	{
		"an array of 100 operations",
		"[" + strings.Repeat(requestBody("{me{id}}")+",", 99) + requestBody("{me{id}}") + "]",
		"BAD_USER_INPUT", "",
	},

	// The most expensive documents within the limits.
	{"me 50 times", requestBody("{" + strings.Repeat("me{id}", 50) + "}"), "UNAUTHENTICATED", ""},
	{
		"49 conflicting fields", requestBody("{me{" + strings.Repeat("a:id a:name ", 49) + "}}"),
		"GRAPHQL_VALIDATION_FAILED", "",
	},
	{
		"ten operations with me 17 times, without operationName",
		requestBody(repeatNumbered(10, "query Q#{"+strings.Repeat("me{id}", 17)+"}")),
		"GRAPHQL_VALIDATION_FAILED", "",
	},
	{
		"inline fragments at the depth limit",
		requestBody("{me" + strings.Repeat("{...", 28) + "{" + strings.Repeat("id ", 17) + "}" + strings.Repeat("}", 28) + "}"),
		"UNAUTHENTICATED", "",
	},
	{
		"fragments compared with one another",
		requestBody("{me{" + repeatNumbered(45, "...F# ") + "}}" + repeatNumbered(45, "fragment F# on User{id name}")),
		"UNAUTHENTICATED", "",
	},
}

// maxAttackCost is the most CPU time of the handler that an attack may cost, in trivial requests
// ({__typename}). Measured: at most 190 within the limits, and 290 where 100 KB of JSON are read,
// even beside six busy loops.
const maxAttackCost = 750

// maxBodyRead is the number of body bytes that the server may read: the limit, and one byte to
// detect a longer body.
const maxBodyRead = guard.DefaultMaxBytes + 1

// The test measures the handler alone, because the cost of network and client depends on the
// machine's load. It does not run in parallel, because CPU time is that of the whole process.
func TestGuardKeepsAttacksCheap(t *testing.T) {
	for _, introspection := range []string{"true", "false"} {
		t.Run("introspection "+introspection, func(t *testing.T) {
			b := boot(t, dbtest.SQLite(t), "INTROSPECTION", introspection, "LOG_LEVEL", "error")
			user := b.NewUser("USER")
			for _, a := range attacks {
				t.Run(a.name, func(t *testing.T) {
					wantRefused(t, b.Post(http.Header{}, a.body), a)
					cost := b.attackCost(a)
					t.Logf("%.1f trivial requests", cost)
					if cost > maxAttackCost {
						t.Errorf("got the cost of %.0f trivial requests, want at most %d", cost, maxAttackCost)
					}
				})
			}
			if got := b.Query(user, `{ me { id } }`).Must(); got.Text("me.id") != user.ID {
				t.Error(got.Body)
			}
		})
	}
}

// attackCost returns the CPU time of an attack as a multiple of that of a trivial request. It
// measures both in turn, so that other load slows down both, and takes the minimum of several
// rounds, because load only adds time.
func (b *testServer) attackCost(a attack) float64 {
	const rounds, trivialRequests = 5, 40
	before, after, _ := strings.Cut(a.body, `"query":"`)
	attackTime, trivialTime := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for round := range rounds {
		trivialTime = min(trivialTime, cpuTimeOf(func() {
			for range trivialRequests {
				b.serveRequest(strings.NewReader(`{"query":"{ __typename }"}`))
			}
		})/trivialRequests)
		var body io.Reader = strings.NewReader(a.body)
		if after != "" { // spaces make a different document, which is not cached
			body = io.MultiReader(strings.NewReader(before+`"query":"`+strings.Repeat(" ", round+1)), strings.NewReader(after))
		}
		counted := &countingReader{Reader: body}
		attackTime = min(attackTime, cpuTimeOf(func() { b.serveRequest(counted) }))
		if counted.n > maxBodyRead {
			b.t.Errorf("%s: the server read %d bytes, want at most %d", a.name, counted.n, maxBodyRead)
		}
	}
	return float64(attackTime) / float64(trivialTime)
}

// serveRequest sends a request to the handler directly, without a network.
func (b *testServer) serveRequest(body io.Reader) {
	r := httptest.NewRequest(http.MethodPost, "/graphql", body)
	r.Header.Set("Content-Type", "application/json")
	b.internal.Handler.ServeHTTP(httptest.NewRecorder(), r)
}

type countingReader struct {
	io.Reader
	n int
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += n
	return n, err
}

func wantRefused(t *testing.T, got *servertest.Response, a attack) {
	t.Helper()
	if len(got.Body) > 8<<10 {
		t.Errorf("got a response of %d bytes, want at most 8 KiB: %.200s …", len(got.Body), got.Body)
	}
	if len(got.Errors) == 0 || len(got.Errors) > 20 || got.Errors[0].Extensions["code"] != a.code {
		t.Fatalf("%.300s: want %s", got.Body, a.code)
	}
	if a.code != "UNAUTHENTICATED" && (got.Data != nil || strings.Contains(got.Body, `"data"`)) {
		t.Errorf("want no data: %.300s", got.Body)
	}
	if a.limit != "" && (got.Errors[0].Extensions["limit"] != a.limit || !isPositive(got.Errors[0].Extensions["max"])) {
		t.Errorf("%.300s: want limit %s", got.Body, a.limit)
	}
}

func isPositive(v any) bool { n, ok := v.(float64); return ok && n > 0 }

// The cases are ways to guess several passwords with one request.
func TestGuardRejectsMultiplePasswordGuesses(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	victim := b.NewUser("USER")
	login := fmt.Sprintf(`login(input:{email:%q,password:"guess #"}){accessToken}`, victim.Email)
	for _, row := range []struct{ name, body, code, limit string }{
		{
			"aliases", requestBody("mutation{" + repeatNumbered(100, "a#:"+login) + "}"),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"two aliases", requestBody("mutation{" + repeatNumbered(2, "a#:"+login) + "}"),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"the correct password last",
			requestBody("mutation{" + repeatNumbered(2, "a#:"+login) + fmt.Sprintf(`b:login(input:{email:%q,password:%q}){accessToken}`, victim.Email, victim.Password) + "}"),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"fragments",
			requestBody("mutation{" + repeatNumbered(40, "...F# ") + "}" + repeatNumbered(40, "fragment F# on Mutation{a#:"+login+"}")),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"inline fragments", requestBody("mutation{" + repeatNumbered(100, "...{a#:"+login+"}") + "}"),
			"QUERY_TOO_COMPLEX", "tokens",
		},
		{
			"a few inline fragments",
			requestBody("mutation{" + repeatNumbered(9, "... on Mutation{a#:"+login+"}") + "}"),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"@include",
			requestBody("mutation($yes:Boolean!=true){" + repeatNumbered(2, "a#:"+strings.Replace(login, "{accessToken}", "@include(if:$yes){accessToken}", 1)) + "}"),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"another field that takes a password",
			requestBody(`mutation{changePassword(input:{currentPassword:"x",newPassword:"y"}) ` + login + `}`),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"tokens",
			requestBody(`mutation{` + repeatNumbered(10, `a#:refresh(refreshToken:"guess #"){accessToken}`) + `}`),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"registrations",
			requestBody(`mutation{` + repeatNumbered(2, `a#:register(input:{name:"x",email:"x#@example.com",password:"correct horse"}){accessToken}`) + `}`),
			"QUERY_TOO_COMPLEX", "credentialFields",
		},
		{
			"an array",
			"[" + requestBody("mutation{"+login+"}") + "," + requestBody("mutation{"+login+"}") + "]",
			"BAD_USER_INPUT", "",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := b.internal.Store.Queries()
			got := b.Post(http.Header{}, row.body)
			wantRefused(t, got, attack{code: row.code, limit: row.limit})
			if n := b.internal.Store.Queries() - before; n != 0 {
				t.Errorf("got %d queries, want none", n)
			}
			if strings.Contains(got.Body+b.Log.String(), "guess ") {
				t.Errorf("the response or the log has a password: %s", got.Body)
			}
		})
	}
	if got := b.Query(nil, "mutation{"+login+"}"); len(got.Codes()) != 1 || got.Codes()[0] != "login INVALID_CREDENTIALS" {
		t.Errorf("one guess: got %s, want INVALID_CREDENTIALS", got.Body)
	}
}

func TestGuardRespondsInTheRequestedMediaType(t *testing.T) {
	t.Parallel()
	b := boot(t, dbtest.SQLite(t))
	for accept, status := range map[string]int{"application/json": 200, "application/graphql-response+json": 400} {
		got := b.QueryWith(http.Header{"Accept": {accept}}, "{"+strings.Repeat("__typename ", 51)+"}")
		want := fmt.Sprintf(`{"errors":[{"message":"query too complex: more than 50 root fields in one operation","extensions":{"code":"QUERY_TOO_COMPLEX","limit":"rootFields","max":%d}}]}`, guard.DefaultLimits.QueryFields)
		if got.Status != status || strings.TrimSpace(got.Body) != want {
			t.Errorf("%s: got status %d, want %d: %s", accept, got.Status, status, got.Body)
		}
	}
}
