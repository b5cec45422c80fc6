package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/internal/guard"
)

const (
	jsonType     = "application/json; charset=utf-8"
	graphqlType  = "application/graphql-response+json; charset=utf-8"
	secretMarker = "hunter2"
)

// badInput returns the answer that rejects one part of a request.
func badInput(part, message string) string {
	return `{"errors":[{"message":"` + part + ` ` + message + `","extensions":{"code":"BAD_USER_INPUT","fields":[{"name":"` +
		part + `","message":"` + message + `"}]}}]}`
}

func badParameters(fields string) string {
	return `{"errors":[{"message":"invalid request parameters","extensions":{"code":"BAD_USER_INPUT","fields":[` + fields + `]}}]}`
}

func validationError(message string) string {
	return `{"errors":[{"message":"` + message + `","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`
}

const (
	helloQuery   = `{"query":"{ hello }"}`
	notSupported = `{"errors":[{"message":"PersistedQueryNotSupported","extensions":{"code":"PERSISTED_QUERY_NOT_SUPPORTED"}}]}`
	helloAnswer  = `{"data":{"hello":"<b>ß & co</b>"}}`
)

// Each row sends its body as application/json unless its headers say otherwise. An empty header
// value removes the header. Bodies contain the word hunter2 in place of a password; no answer may
// repeat it.
var postTests = []struct {
	name     string
	method   string // default: POST
	header   map[string]string
	body     string
	status   int
	typ      string // default: jsonType
	want     string // the whole body; not compared if empty
	contains string
	wantHead map[string]string
}{
	{name: "a query is answered with data alone", body: helloQuery, status: 200, want: helloAnswer},
	{
		name: "errors come first and HTML is not escaped", body: `{"query":"{ fail }"}`, status: 200,
		want: `{"errors":[{"message":"it <failed>"}],"data":{"fail":null},"extensions":{"cost":3}}`,
	},
	{
		name: "an executed operation whose data is null says so", body: `{"query":"{ broken }"}`, status: 200,
		want: `{"errors":[{"message":"it failed"}],"data":null}`,
	},
	{
		name: "a mutation runs", body: `{"query":"mutation($i: Login!) { login(input: $i) }","variables":{"i":{"email":"a@b.c","password":"hunter2"}}}`,
		status: 200, want: `{"data":{"login":true}}`,
	},
	{name: "null stands for absent", body: `{"query":"{ hello }","operationName":null,"variables":null,"extensions":null}`, status: 200, want: helloAnswer},
	{name: "the operation is chosen by name", body: `{"query":"query A { hello } query B { fail }","operationName":"A"}`, status: 200, want: helloAnswer},
	{name: "unknown members are ignored", body: `{"query":"{ hello }","id":7,"Query":[],"doc_id":{"a":[1,2]}}`, status: 200, want: helloAnswer},
	{name: "space around the body is allowed", body: " \r\n\t" + helloQuery + "\n", status: 200, want: helloAnswer},
	{
		name:   "numbers keep all their digits and strings their text",
		body:   `{"query":"query($value: Any) { echo(value: $value) }","variables":{"value":{"n":12345678901234567890.10,"s":"\u00df\ud83c\udfc3\"\\\/\b\f\n\r\t","a":[true,false,null,-0,1e-9,[],{}]}}}`,
		status: 200, want: `{"data":{"echo":{"a":[true,false,null,-0,1e-9,[],{}],"n":12345678901234567890.10,"s":"ß🏃\"\\/\b\f\n\r\t"}}}`,
	},
	{
		name: "the longest wait goes into Retry-After", body: `{"query":"{ limited }"}`, status: 200,
		contains: `"retryAfter":40`, wantHead: map[string]string{"Retry-After": "40"},
	},

	// Method (GraphQL over HTTP, Status Codes; RFC 9110, section 15.5.6)
	{name: "OPTIONS is not allowed", method: "OPTIONS", status: 405, want: badInput("method", "must be POST, or GET for a query"), wantHead: map[string]string{"Allow": "GET, POST"}},
	{name: "PUT is not allowed", method: "PUT", body: helloQuery, status: 405, wantHead: map[string]string{"Allow": "GET, POST"}},

	// Content types that a browser sends across sites without a preflight request
	{
		name: "text/plain is rejected", header: map[string]string{"Content-Type": "text/plain"}, body: helloQuery, status: 415,
		want: badInput("Content-Type", "must be application/json, in UTF-8"), wantHead: map[string]string{"Accept": "application/json"},
	},
	{name: "a form is rejected", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, body: "query={hello}", status: 415},
	{name: "multipart is rejected", header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, body: "--x--", status: 415},
	{name: "no content type is rejected", header: map[string]string{"Content-Type": ""}, body: helloQuery, status: 415},
	{name: "a content type that only begins well is rejected", header: map[string]string{"Content-Type": "application/json, text/plain"}, body: helloQuery, status: 415},
	{name: "a broken content type is rejected", header: map[string]string{"Content-Type": "application/json; charset"}, body: helloQuery, status: 415},
	{name: "the media type of responses is rejected for requests", header: map[string]string{"Content-Type": "application/graphql-response+json"}, body: helloQuery, status: 415},
	{name: "UTF-8 may be named in any spelling", header: map[string]string{"Content-Type": `Application/JSON ; charset="UTF-8"`}, body: helloQuery, status: 200, want: helloAnswer},
	{name: "another charset is rejected", header: map[string]string{"Content-Type": "application/json; charset=utf-16"}, body: helloQuery, status: 415},
	{
		name: "a compressed body is rejected", header: map[string]string{"Content-Encoding": "gzip"}, body: helloQuery, status: 415,
		wantHead: map[string]string{"Accept-Encoding": "identity"},
	},
	{name: "the identity coding is accepted", header: map[string]string{"Content-Encoding": "identity"}, body: helloQuery, status: 200},

	// The body
	{
		name: "a body over the limit is rejected", body: `{"query":"` + strings.Repeat("x", guard.DefaultMaxBytes) + `"}`, status: 413,
		want: badInput("body", "is too large: send a smaller request"),
	},
	{name: "a body of exactly the limit is read", body: helloQuery + strings.Repeat(" ", guard.DefaultMaxBytes-len(helloQuery)), status: 200, want: helloAnswer},
	{name: "an empty body is malformed", status: 400, want: badInput("body", "is not well-formed JSON: expected a value, at byte 0")},
	{
		name: "a malformed body is not repeated", body: `{"query":"mutation { plain(password: \"hunter2\") }",}`, status: 400,
		want: badInput("body", "is not well-formed JSON: expected a key, at byte 53"),
	},
	{
		name: "a truncated login is not repeated", body: `{"variables":{"password":"hunter2`, status: 400,
		want: badInput("body", "is not well-formed JSON: an unterminated string, at byte 33"),
	},
	{
		name: "an array is rejected as a batch", body: `[` + helloQuery + `,` + helloQuery + `]`, status: 400,
		want: badInput("body", "must be one JSON object: batches are not supported"),
	},
	{name: "a string is not a request", body: `"hunter2"`, status: 400, want: badInput("body", "must be a JSON object")},
	{name: "null is not a request", body: `null`, status: 400, want: badInput("body", "must be a JSON object")},
	{name: "trailing data is rejected", body: helloQuery + helloQuery, status: 400, want: badInput("body", "is not well-formed JSON: unexpected data after the value, at byte 21")},
	{
		name: "a second query is rejected", body: `{"query":"{ hello }","query":"{ fail }"}`, status: 400,
		want: badInput("body", "is not well-formed JSON: a duplicate key in an object, at byte 21"),
	},
	{name: "an escaped second query is rejected", body: `{"query":"{ hello }","\u0071uery":"{ fail }"}`, status: 400},
	{name: "a second password in nested variables is rejected", body: `{"query":"{ hello }","variables":{"a":[{"password":"hunter2","password":"x"}]}}`, status: 400},
	{name: "a duplicate key is rejected in an unknown member", body: `{"query":"{ hello }","x":{"a":1,"a":1}}`, status: 400},
	{name: "Query is not query", body: `{"Query":"{ hello }"}`, status: 400, want: badParameters(`{"name":"query","message":"must be a non-empty string"}`)},
	{name: "an empty query is missing", body: `{"query":""}`, status: 400},
	{name: "a hash without a query, old client", body: `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"hunter2"}}}`, status: 200, want: notSupported},
	{
		name: "a hash without a query, new client", header: map[string]string{"Accept": "application/graphql-response+json"},
		body: `{"query":null,"extensions":{"persistedQuery":{"version":1,"sha256Hash":"hunter2"}}}`, status: 400, typ: graphqlType, want: notSupported,
	},
	{name: "a query with a hash runs", body: `{"query":"{ hello }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"hunter2"}}}`, status: 200, want: helloAnswer},
	{name: "a hash that is not an object is ignored", body: `{"extensions":{"persistedQuery":"hunter2"}}`, status: 400, want: badParameters(`{"name":"query","message":"must be a non-empty string"}`)},
	{
		name: "all invalid parameters are reported at once", body: `{"query":["hunter2"],"operationName":7,"variables":"hunter2","extensions":[]}`, status: 400,
		want: badParameters(`{"name":"query","message":"must be a string"},{"name":"operationName","message":"must be a string or null"},` +
			`{"name":"variables","message":"must be an object or null"},{"name":"extensions","message":"must be an object or null"}`),
	},
	{
		name: "bytes that are not UTF-8 are rejected", body: "{\"query\":\"{ hello }\",\"variables\":{\"p\":\"hunter2\xff\"}}", status: 400,
		want: badInput("body", "is not well-formed JSON: the text is not UTF-8, at byte 0"),
	},
	{name: "half a surrogate pair is rejected", body: `{"query":"{ hello }","variables":{"p":"\ud83c"}}`, status: 400},
	{name: "a byte order mark is rejected", body: "\ufeff" + helloQuery, status: 400},
	{name: "31 levels below the body are read", body: `{"query":"{ hello }","variables":` + nestedObject(31) + `}`, status: 200, want: helloAnswer},
	{
		name: "deeper nesting is rejected", body: `{"query":"{ hello }","variables":` + nestedObject(32) + `}`, status: 400,
		contains: "nested deeper than 32 levels",
	},
	{name: "a body of brackets is rejected", body: strings.Repeat("[", 100_000), status: 400},

	// Accept (GraphQL over HTTP, Accept and Body)
	{
		name: "the new media type is used if requested", header: map[string]string{"Accept": "application/graphql-response+json"}, body: helloQuery,
		status: 200, typ: graphqlType, want: helloAnswer,
	},
	{name: "a wildcard gets the old media type", header: map[string]string{"Accept": "*/*"}, body: helloQuery, status: 200},
	{
		name: "a client that accepts neither gets an error", header: map[string]string{"Accept": "text/html"}, body: helloQuery, status: 406,
		want: badInput("Accept", "must include application/graphql-response+json or application/json"),
	},
	{
		name: "a malformed body is 400 in the new media type too", header: map[string]string{"Accept": "application/graphql-response+json"}, body: `{"`,
		status: 400, typ: graphqlType,
	},
	{
		name: "no content type is 415 in the new media type too", header: map[string]string{"Accept": "application/graphql-response+json", "Content-Type": ""}, body: helloQuery,
		status: 415, typ: graphqlType,
	},

	// Request errors: no data, and status 200 for old clients, 400 for new ones
	{
		name: "a document that does not parse, old client", body: `{"query":"{"}`, status: 200,
		want: `{"errors":[{"message":"Expected Name, found <EOF>","locations":[{"line":1,"column":2}],"extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}`,
	},
	{
		name: "a document that does not parse, new client", header: map[string]string{"Accept": "application/graphql-response+json"}, body: `{"query":"{"}`,
		status: 400, typ: graphqlType, contains: `GRAPHQL_PARSE_FAILED`,
	},
	{name: "a document without an operation", body: `{"query":"# hunter2"}`, status: 200, want: validationError("no operation provided")},
	{name: "an unknown field, old client", body: `{"query":"{ nope }"}`, status: 200, contains: `Cannot query field \"nope\" on type \"Query\"`},
	{
		name: "an unknown field, new client", header: map[string]string{"Accept": "application/graphql-response+json"}, body: `{"query":"{ nope }"}`,
		status: 400, typ: graphqlType, contains: `GRAPHQL_VALIDATION_FAILED`,
	},
	{
		name: "an invalid variable", header: map[string]string{"Accept": "application/graphql-response+json"},
		body: `{"query":"mutation($i: Login!) { login(input: $i) }","variables":{"i":null}}`, status: 400, typ: graphqlType, contains: `cannot be null`,
	},
	{name: "an unknown operation is not named", body: `{"query":"query A { hello }","operationName":"hunter2"}`, status: 200, want: validationError("operation not found")},
	{
		name: "a subscription is rejected", header: map[string]string{"Accept": "application/graphql-response+json"}, body: `{"query":"subscription { tick }"}`,
		status: 400, typ: graphqlType, want: validationError("subscriptions are not supported over HTTP POST"),
	},

	// Messages of the parser and the validator quote their input
	{
		name: "a bad escape does not reveal the rest of the document", body: `{"query":"mutation { plain(email: \"\\u00\", password: \"hunter2\") }"}`,
		status: 200, contains: `"Unexpected <Invalid>"`,
	},
	{
		name: "a bad escape at the end does not reveal the rest of the document", body: `{"query":"mutation { plain(password: \"\\uhunter2"}`,
		status: 200, contains: "GRAPHQL_PARSE_FAILED",
	},
	{name: "an unexpected string is not quoted", body: `{"query":"mutation { plain(password: \"x\") } \"hunter2\""}`, status: 200, contains: "GRAPHQL_PARSE_FAILED"},
	{name: "an unexpected name is not quoted", body: `{"query":"hunter2"}`, status: 200, contains: "Syntax error: unexpected token"},
	{
		name: "a password without quotation marks is not quoted", body: `{"query":"mutation { plain(password: hunter2) }"}`, status: 200,
		contains: `"String cannot represent a non string value."`,
	},
	{name: "a string for a number is not quoted", body: `{"query":"{ add(a: \"hunter2\") }"}`, status: 200, contains: `"Int cannot represent non-integer value."`},
	{name: "a string for a boolean is not quoted", body: `{"query":"{ add(on: \"hunter2\") }"}`, status: 200, contains: `"Boolean cannot represent a non boolean value."`},
	{name: "a name for an ID is not quoted", body: `{"query":"{ add(id: hunter2) }"}`, status: 200, contains: "ID cannot represent"},
	{name: "a string for a float is not quoted", body: `{"query":"{ add(x: \"hunter2\") }"}`, status: 200, contains: `"Float cannot represent non numeric value."`},
	{name: "a string for an enum is not quoted", body: `{"query":"{ add(role: \"hunter2\") }"}`, status: 200, contains: `Enum \"Role\" cannot represent non-enum value.`},
	{name: "a name that is not in an enum is not quoted", body: `{"query":"{ add(role: hunter2) }"}`, status: 200, contains: `Value does not exist in \"Role\" enum.`},
	{
		name: "an object in a list is not quoted", body: `{"query":"mutation { login(input: [{password: \"hunter2\"}]) }"}`, status: 200,
		contains: `"Expected value of type \"Login!\"."`,
	},
	{name: "a string for an object is not quoted", body: `{"query":"mutation { login(input: \"hunter2\") }"}`, status: 200, contains: "GRAPHQL_VALIDATION_FAILED"},
	{
		name: "the fields of an input are named", body: `{"query":"mutation { login(input: {email: \"hunter2\", isAdmin: true}) }"}`, status: 200,
		contains: `Field \"isAdmin\" is not defined by type \"Login\".`,
	},
	{
		name: "the missing fields of an input are named", body: `{"query":"mutation { login(input: {email: \"hunter2\"}) }"}`, status: 200,
		contains: `Field \"Login.password\" of required type \"String!\" was not provided.`,
	},
	{
		name: "a variable that is not in an enum is not quoted", body: `{"query":"query($r: Role) { add(role: $r) }","variables":{"r":"hunter2 is not a valid joke"}}`,
		status: 200, contains: `"message":"not a valid Role","path":["variable","r"]`,
	},
	{
		name: "a variable of another type is not quoted", body: `{"query":"query($a: Int) { add(a: $a) }","variables":{"a":"hunter2"}}`, status: 200,
		contains: "cannot use string as Int",
	},
	{
		name: "a variable for an object is not quoted", body: `{"query":"mutation($i: Login!) { login(input: $i) }","variables":{"i":"hunter2"}}`, status: 200,
		contains: "must be a Login, not a string",
	},

	{name: "a panic is masked", body: `{"query":"{ panic }"}`, status: 500, contains: `"code":"INTERNAL"`},
}

func TestPOSTFollowsGraphQLOverHTTP(t *testing.T) {
	url := newServer(t)
	for _, tt := range postTests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := send(t, url, tt.method, tt.header, strings.NewReader(tt.body))
			if resp.StatusCode != tt.status {
				t.Errorf("got status %d, want %d", resp.StatusCode, tt.status)
			}
			wantType := tt.typ
			if wantType == "" {
				wantType = jsonType
			}
			if got := resp.Header.Get("Content-Type"); got != wantType {
				t.Errorf("got Content-Type %q, want %q", got, wantType)
			}
			for name, want := range tt.wantHead {
				if got := resp.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if tt.want != "" && body != tt.want {
				t.Errorf("got body\n%s\nwant\n%s", body, tt.want)
			}
			if !strings.Contains(body, tt.contains) {
				t.Errorf("got body\n%s\nwant it to contain\n%s", body, tt.contains)
			}
			if strings.Contains(body, secretMarker) || strings.Contains(body, "secret") {
				t.Errorf("the answer repeats the client's input:\n%s", body)
			}
			wantResponseShape(t, resp, body)
		})
	}
}

// wantResponseShape checks an answer against the GraphQL specification, section 7.1: each error has
// a message, and data is present unless errors are.
func wantResponseShape(t *testing.T, resp *http.Response, body string) {
	t.Helper()
	if !json.Valid([]byte(body)) {
		t.Fatalf("got no JSON: %s", body)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	var errs []struct{ Message string }
	if raw, ok := got["errors"]; ok {
		if err := json.Unmarshal(raw, &errs); err != nil || len(errs) == 0 || errs[0].Message == "" {
			t.Errorf("malformed errors: %s", raw)
		}
	}
	if _, data := got["data"]; !data && len(errs) == 0 {
		t.Errorf("neither data nor errors: %s", body)
	} else if data && resp.StatusCode != 200 && resp.StatusCode != 500 {
		// 500 is allowed because gqlgen's recovery writes data.
		t.Errorf("got data with status %d", resp.StatusCode)
	}
}

func send(t testing.TB, url, method string, header map[string]string, body io.Reader) (*http.Response, string) {
	t.Helper()
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{"Content-Type": "application/json"}
	maps.Copy(headers, header)
	for name, value := range headers {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// nestedObject returns objects nested to the given number of levels.
func nestedObject(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
}

func TestDuplicateContentTypeIsRejected(t *testing.T) {
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(helloQuery))
	req.Header["Content-Type"] = []string{"application/json", "text/plain"}
	w := httptest.NewRecorder()
	newHandler(guard.POST{}).ServeHTTP(w, req)
	if w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("got status %d, want 415", w.Code)
	}
}

func TestChunkedBodyOverLimitIsRejected(t *testing.T) {
	// The client sends a reader of unknown length in chunks.
	body := io.MultiReader(strings.NewReader(`{"query":"`), io.LimitReader(zeroReader{}, 1<<20))
	resp, _ := send(t, newServer(t), "", nil, body)
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got status %d, want 413", resp.StatusCode)
	}
}

func TestOuterBodyLimitReturns413(t *testing.T) {
	url := newServer(t, func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, 10) })
	resp, _ := send(t, url, "", nil, strings.NewReader(helloQuery))
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got status %d, want 413", resp.StatusCode)
	}
}

func TestMaxBytesLimitsBody(t *testing.T) {
	h := newHandler(guard.POST{MaxBytes: int64(len(helloQuery)) - 1})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, jsonRequest(t.Context(), strings.NewReader(helloQuery)))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("got status %d, want 413", w.Code)
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

func jsonRequest(ctx context.Context, body io.Reader) *http.Request {
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", body)
	req.Header.Set("Content-Type", "application/json")
	return req
}

func TestBodyReadTimeoutReturns408(t *testing.T) {
	w := httptest.NewRecorder()
	newHandler(guard.POST{}).ServeHTTP(w, jsonRequest(t.Context(), failingReader{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}}))
	if w.Code != http.StatusRequestTimeout {
		t.Errorf("got status %d, want 408", w.Code)
	}
}

func TestTruncatedBodyReturns400(t *testing.T) {
	w := httptest.NewRecorder()
	newHandler(guard.POST{}).ServeHTTP(w, jsonRequest(t.Context(), failingReader{io.ErrUnexpectedEOF}))
	if want := badInput("body", "ended before it was complete: send the request again"); w.Code != http.StatusBadRequest || w.Body.String() != want {
		t.Errorf("got %d %s, want 400 %s", w.Code, w.Body, want)
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

func TestCanceledRequestReturns503(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	newHandler(guard.POST{}).ServeHTTP(w, jsonRequest(ctx, strings.NewReader(helloQuery)))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"code":"UNAVAILABLE"`) || w.Header().Get("Retry-After") != "1" {
		t.Errorf("got %d %v %s, want 503 UNAVAILABLE", w.Code, w.Header(), w.Body)
	}
}

func TestExtensionErrorWithoutDataIsRequestError(t *testing.T) {
	for name, tt := range map[string]struct {
		response *graphql.Response
		status   int
		want     string
	}{
		"an error without data is a request error": {graphql.ErrorResponse(t.Context(), "stopped"), 400, `{"errors":[{"message":"stopped"}]}`},
		"an empty response is internal":            {&graphql.Response{}, 500, `{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(guard.POST{})
			h.AroundOperations(func(context.Context, graphql.OperationHandler) graphql.ResponseHandler {
				return graphql.OneShot(tt.response)
			})
			req := jsonRequest(t.Context(), strings.NewReader(helloQuery))
			req.Header.Set("Accept", "application/graphql-response+json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}

// One presenter shapes every error, so each kind of error must pass through it exactly once.
func TestEveryErrorIsPresentedOnce(t *testing.T) {
	for name, body := range map[string]string{
		"malformed": `{`, "not parsed": `{"query":"{"}`, "not valid": `{"query":"{ nope }"}`, "subscription": `{"query":"subscription { tick }"}`, "failed field": `{"query":"{ fail }"}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(guard.POST{})
			var presented int
			h.SetErrorPresenter(func(ctx context.Context, err error) *gqlerror.Error {
				presented++
				return graphql.DefaultErrorPresenter(ctx, err)
			})
			h.ServeHTTP(httptest.NewRecorder(), jsonRequest(t.Context(), strings.NewReader(body)))
			if presented != 1 {
				t.Errorf("presented %d times, want once", presented)
			}
		})
	}
}

// The response also keeps gqlgen's encoding of the data.
func TestLargeResponseIsSentUnchanged(t *testing.T) {
	data := append(append([]byte(`{"hello": "`), bytes.Repeat([]byte("<"), 1<<20)...), `"}`...)
	h := newHandler(guard.POST{})
	h.AroundResponses(func(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
		response := next(ctx)
		response.Data = data
		return response
	})
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	resp, body := send(t, srv.URL, "", nil, strings.NewReader(helloQuery))
	if want := `{"data":` + string(data) + `}`; body != want || resp.ContentLength != int64(len(want)) {
		t.Errorf("got %d bytes (Content-Length %d), want %d", len(body), resp.ContentLength, len(want))
	}
}
