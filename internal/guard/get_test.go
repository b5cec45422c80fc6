package guard_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"fieldgate/internal/guard"
)

func encodeQuery(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(pairs[i] + "=" + url.QueryEscape(pairs[i+1]))
	}
	return b.String()
}

func needsPOST(what string) string { return badInput("method", "must be POST for "+what) }

var (
	mutationNeedsPOST   = needsPOST("a document with a mutation or a subscription")
	credentialNeedsPOST = needsPOST("a field that takes a password or a token")
)

// Each row sends application/json as Accept unless it says otherwise. As in
// TestPOSTFollowsGraphQLOverHTTP, no answer may repeat the word hunter2.
var getTests = []struct {
	name     string
	query    string // of the URL
	accept   string
	mode     string // Sec-Fetch-Mode
	status   int
	typ      string // default: jsonType
	want     string // the whole body; not compared if empty
	contains string
	allow    string
}{
	{name: "a query", query: encodeQuery("query", "{ hello }"), status: 200, want: helloAnswer},
	{name: "a query, new media type", query: encodeQuery("query", "{ hello }"), accept: "application/graphql-response+json", status: 200, typ: graphqlType, want: helloAnswer},
	{name: "a plus sign is a space", query: "query={+hello+}", status: 200, want: helloAnswer},
	{name: "the operation is chosen by name", query: encodeQuery("query", "query A { hello } query B { fail }", "operationName", "A"), status: 200, want: helloAnswer},
	{name: "an empty operation name is absent", query: encodeQuery("query", "{ hello }", "operationName", ""), status: 200, want: helloAnswer},
	{name: "variables", query: encodeQuery("query", "query($value: Any) { echo(value: $value) }", "variables", `{"value":{"n":12345678901234567890.10}}`), status: 200, want: `{"data":{"echo":{"n":12345678901234567890.10}}}`},
	{name: "variables and extensions of null", query: encodeQuery("query", "{ hello }", "variables", "null", "extensions", "null"), status: 200, want: helloAnswer},
	{name: "a query with a hash runs", query: encodeQuery("query", "{ hello }", "extensions", `{"persistedQuery":{"version":1,"sha256Hash":"hunter2"}}`), status: 200, want: helloAnswer},
	{name: "a hash without a query, old client", query: encodeQuery("extensions", `{"persistedQuery":{"version":1,"sha256Hash":"hunter2"}}`), status: 200, want: notSupported},
	{name: "a hash without a query, new client", query: encodeQuery("extensions", `{"persistedQuery":{"version":1,"sha256Hash":"hunter2"}}`), accept: "application/graphql-response+json", status: 400, typ: graphqlType, want: notSupported},

	// Accept
	{name: "no Accept", query: encodeQuery("query", "{ hello }"), accept: "-", status: 406, want: badInput("Accept", "must name application/graphql-response+json or application/json")},
	{name: "a wildcard", query: encodeQuery("query", "{ hello }"), accept: "*/*", status: 406},
	{name: "an application wildcard", query: encodeQuery("query", "{ hello }"), accept: "application/*", status: 406},
	{name: "a browser's navigation", query: encodeQuery("query", "{ hello }"), accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", status: 406},
	{name: "an image", query: encodeQuery("query", "{ hello }"), accept: "image/avif,image/webp,*/*", status: 406},
	{name: "a wildcard from a script's fetch", query: encodeQuery("query", "{ hello }"), accept: "*/*", mode: "cors", status: 200, want: helloAnswer},
	{name: "a wildcard from an image", query: encodeQuery("query", "{ hello }"), accept: "*/*", mode: "no-cors", status: 406},
	{name: "a wildcard from a link", query: encodeQuery("query", "{ hello }"), accept: "*/*", mode: "navigate", status: 406},
	{name: "another type from a script's fetch", query: encodeQuery("query", "{ hello }"), accept: "text/html", mode: "cors", status: 406},
	{name: "a name with quality 0 beside a wildcard", query: encodeQuery("query", "{ hello }"), accept: "*/*, application/json;q=0", status: 406},
	{name: "a name beside a wildcard", query: encodeQuery("query", "{ hello }"), accept: "*/*, application/json", status: 200, want: helloAnswer},
	{name: "a wildcard does not prefer an unnamed type", query: encodeQuery("query", "{ hello }"), accept: "*/*, application/json;q=0.1", status: 200, want: helloAnswer},
	{name: "urql's Accept", query: encodeQuery("query", "{ hello }"), accept: "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed", status: 200, typ: graphqlType, want: helloAnswer},

	// Documents that require POST
	{name: "a mutation", query: encodeQuery("query", `mutation { plain(password: "hunter2") }`), status: 405, allow: "POST", want: mutationNeedsPOST},
	{name: "a mutation, new media type", query: encodeQuery("query", `mutation { plain(password: "hunter2") }`), accept: "application/graphql-response+json", status: 405, typ: graphqlType, allow: "POST", want: mutationNeedsPOST},
	{name: "a mutation beside the selected query", query: encodeQuery("query", `query A { hello } mutation B { plain }`, "operationName", "A"), status: 405, allow: "POST", want: mutationNeedsPOST},
	{name: "a mutation that does not validate", query: encodeQuery("query", `mutation { nope(password: "hunter2") }`), status: 200, contains: "GRAPHQL_VALIDATION_FAILED"},
	{name: "a mutation with invalid variables", query: encodeQuery("query", `mutation($i: Login!) { login(input: $i) }`), status: 405, allow: "POST", want: mutationNeedsPOST},
	{name: "a mutation with an unknown operation name", query: encodeQuery("query", `mutation A { plain }`, "operationName", "hunter2"), status: 405, allow: "POST", want: mutationNeedsPOST},
	{name: "a mutation in a fragment", query: encodeQuery("query", `mutation { ...F } fragment F on Mutation { plain }`), status: 405, allow: "POST", want: mutationNeedsPOST},
	{name: "a query with a fragment on Mutation", query: encodeQuery("query", `{ ...F } fragment F on Mutation { plain }`), status: 200, contains: "GRAPHQL_VALIDATION_FAILED"},
	{name: "a subscription", query: encodeQuery("query", `subscription { tick }`), status: 405, allow: "POST", want: mutationNeedsPOST},
	{name: "a query that takes a password", query: encodeQuery("query", `{ check(password: "hunter2") }`), status: 405, allow: "POST", want: credentialNeedsPOST},
	{name: "a query that takes a password, in a variable", query: encodeQuery("query", `query($p: String) { check(password: $p) }`, "variables", `{"p":"hunter2"}`), status: 405, allow: "POST", want: credentialNeedsPOST},
	{name: "a query that takes a password, under an alias, in a fragment", query: encodeQuery("query", `{ ...F } fragment F on Query { ... { a: check(password: "hunter2") } }`), status: 405, allow: "POST", want: credentialNeedsPOST},
	{name: "a query that takes a password, behind @skip", query: encodeQuery("query", `{ hello check(password: "hunter2") @skip(if: true) }`), status: 405, allow: "POST", want: credentialNeedsPOST},
	{name: "a query that takes a password, in the other operation", query: encodeQuery("query", `query A { hello } query B { check(password: "hunter2") }`, "operationName", "A"), status: 405, allow: "POST", want: credentialNeedsPOST},
	{name: "a nested field that takes a password", query: encodeQuery("query", `{ me { name proof(password: "hunter2") } }`), status: 405, allow: "POST", want: credentialNeedsPOST},
	{name: "an interface field that takes a password", query: encodeQuery("query", `{ node { proof(password: "hunter2") } }`), status: 405, allow: "POST", want: credentialNeedsPOST},

	// The URL
	{name: "no parameters", status: 400, want: badParameters(`{"name":"query","message":"must be a non-empty string"}`)},
	{name: "an empty query", query: "query=", status: 400},
	{name: "an unknown parameter", query: encodeQuery("query", "{ hello }", "access_token", "hunter2"), status: 400, want: badInput("URL", "must have no parameters other than query, operationName, variables and extensions")},
	{name: "an unknown name is not repeated", query: encodeQuery("query", "{ hello }", "hunter2", ""), status: 400},
	{name: "Query is not query", query: encodeQuery("Query", "{ hello }"), status: 400},
	{name: "a second query", query: encodeQuery("query", "{ hello }", "query", "{ fail }"), status: 400, want: badInput("query", "must appear only once in the URL")},
	{name: "an escaped second query", query: "query={hello}&%71uery={fail}", status: 400, want: badInput("query", "must appear only once in the URL")},
	{name: "second variables", query: encodeQuery("query", "{ hello }", "variables", "{}", "variables", "{}"), status: 400},
	{name: "a semicolon is not a separator", query: "query={hello};query={fail}", status: 400, contains: "well-formed"},
	{name: "a broken escape", query: "query={hello}%zz", status: 400, contains: "well-formed"},
	{name: "bytes that are not UTF-8", query: "query={hello}%ff", status: 400, contains: "well-formed"},
	{name: "an array of queries", query: encodeQuery("query", `[{"query":"{ hello }"}]`), status: 200, contains: "GRAPHQL_PARSE_FAILED"},
	{name: "variables that are not JSON", query: encodeQuery("query", "{ hello }", "variables", `{"p":"hunter2"`), status: 400, want: badParameters(`{"name":"variables","message":"is not well-formed JSON: expected ',' or '}', at byte 14"}`)},
	{name: "empty variables", query: encodeQuery("query", "{ hello }", "variables", ""), status: 400},
	{name: "variables in an array", query: encodeQuery("query", "{ hello }", "variables", `["hunter2"]`), status: 400, want: badParameters(`{"name":"variables","message":"must be an object or null"}`)},
	{name: "a byte order mark", query: encodeQuery("query", "{ hello }", "variables", "\ufeff{}"), status: 400},
	{name: "a duplicate key", query: encodeQuery("query", "{ hello }", "variables", `{"a":1,"\u0061":2}`), status: 400},
	{
		name: "all invalid parameters are reported at once", query: encodeQuery("query", "{ hello }", "variables", `7`, "extensions", `"hunter2"`), status: 400,
		want: badParameters(`{"name":"variables","message":"must be an object or null"},{"name":"extensions","message":"must be an object or null"}`),
	},
	{name: "31 levels of variables", query: encodeQuery("query", "{ hello }", "variables", nestedObject(31)), status: 200, want: helloAnswer},
	{name: "32 levels of variables", query: encodeQuery("query", "{ hello }", "variables", nestedObject(32)), status: 400, contains: "nested deeper"},
	{name: "a URL of exactly the limit", query: encodeQuery("query", "{ hello }") + strings.Repeat("+", 8<<10-len("/?"+encodeQuery("query", "{ hello }"))), status: 200, want: helloAnswer},
	{name: "a URL over the limit", query: encodeQuery("query", "{ hello }") + strings.Repeat("+", 8<<10), status: 414, want: badInput("URL", "is too long: send the query by POST")},
}

func TestGETFollowsGraphQLOverHTTP(t *testing.T) {
	server := newServer(t)
	for _, tt := range getTests {
		t.Run(tt.name, func(t *testing.T) {
			accept := tt.accept
			switch accept {
			case "":
				accept = "application/json"
			case "-":
				accept = ""
			}
			resp, body := send(t, server+"/?"+tt.query, http.MethodGet, map[string]string{"Accept": accept, "Content-Type": "", "Sec-Fetch-Mode": tt.mode}, nil)
			wantType := tt.typ
			if wantType == "" {
				wantType = jsonType
			}
			if resp.StatusCode != tt.status || resp.Header.Get("Content-Type") != wantType || resp.Header.Get("Allow") != tt.allow {
				t.Errorf("got %d %q, Allow %q, want %d %q, Allow %q", resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("Allow"), tt.status, wantType, tt.allow)
			}
			if tt.want != "" && body != tt.want {
				t.Errorf("got body\n%s\nwant\n%s", body, tt.want)
			}
			if !strings.Contains(body, tt.contains) {
				t.Errorf("got body\n%s\nwant it to contain\n%s", body, tt.contains)
			}
			if strings.Contains(body, secretMarker) {
				t.Errorf("the answer repeats the client's input:\n%s", body)
			}
			wantResponseShape(t, resp, body)
		})
	}
}

func TestGETWithBodyIsRejected(t *testing.T) {
	resp, body := send(t, newServer(t)+"/?query={hello}", http.MethodGet, map[string]string{"Accept": "application/json"}, strings.NewReader(`{"query":"{ fail }"}`))
	if resp.StatusCode != http.StatusBadRequest || body != badInput("body", "must be absent: a GET takes its parameters from the URL") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

func TestHEADIsRejected(t *testing.T) {
	resp, body := send(t, newServer(t)+"/?query={hello}", http.MethodHead, map[string]string{"Accept": "application/json", "Content-Type": ""}, nil)
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, POST" || body != "" {
		t.Errorf("got %d, Allow %q, body %q", resp.StatusCode, resp.Header.Get("Allow"), body)
	}
}

// FuzzGET sends any query string. No mutation may run, each answer has the required shape, and POST
// answers an accepted query equally.
func FuzzGET(f *testing.F) {
	for _, tt := range getTests {
		f.Add(tt.query)
	}
	h := newHandler(guard.POST{})
	f.Fuzz(func(t *testing.T, query string) {
		if len(query) > 8<<10 {
			t.Skip("longer than a URL may be")
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body := w.Body.String()
		if strings.Contains(body, `"login"`) && w.Code == http.StatusOK && strings.Contains(body, `"data"`) {
			t.Errorf("%q ran a mutation: %s", query, body)
		}
		wantResponseShape(t, w.Result(), body)
		if w.Code != http.StatusOK || !strings.Contains(body, `"data"`) {
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("%q was accepted: %v", query, err)
		}
		for name, list := range values {
			if len(list) != 1 {
				t.Errorf("%q was accepted with %d values of %q", query, len(list), name)
			}
		}
		if post := postParams(t, h, values); post != body {
			t.Errorf("%q: GET answers %s, POST %s", query, body, post)
		}
	})
}

// postParams sends the parameters of a URL in the body of a POST.
func postParams(t *testing.T, h http.Handler, values url.Values) string {
	t.Helper()
	members := []string{}
	for name, list := range values {
		value := list[0]
		if name == "query" || name == "operationName" {
			encoded, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			value = string(encoded)
		}
		members = append(members, `"`+name+`":`+value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, jsonRequest(t.Context(), strings.NewReader("{"+strings.Join(members, ",")+"}")))
	return w.Body.String()
}
