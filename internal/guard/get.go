package guard

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// maxURLBytes bounds the URL of a GET. Clients send longer queries by POST.
const maxURLBytes = 8 << 10

// GET is the transport for queries in a URL ("GraphQL over HTTP", GET). Clients such as urql send
// short queries this way by default.
//
// Another site can make a browser send a GET, so a GET must not change anything. A document with a
// mutation, a subscription or a field that takes a credential is rejected with 405, whichever
// operation is selected. The Accept header must name the media type of the answer, which no link,
// image or frame does. A request of a script, which the browser marks with Sec-Fetch-Mode: cors,
// may omit that.
//
// It must precede [POST] in the list of transports.
type GET struct {
	Documents *Documents // the server's, which knows the fields that take a credential
}

var _ graphql.Transport = GET{}

// Supports reports whether the request is a GET. POST rejects HEAD.
func (GET) Supports(r *http.Request) bool { return r.Method == http.MethodGet }

// Do answers one request, like [POST.Do].
func (g GET) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	media, acceptable := negotiateURL(r.Header)
	w.Header().Set("Content-Type", string(media)+"; charset=utf-8")

	start := graphql.Now()
	params, refused := parseURL(r, acceptable)
	if refused != nil {
		refused.writeTo(ctx, w, exec, media)
		return
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	execute(ctx, w, exec, media, params, g.check)
}

// negotiateURL selects the media type of the answer to a GET. Browsers set Sec-Fetch-Mode
// themselves, and Node does too; a page cannot set it.
func negotiateURL(h http.Header) (m mediaType, ok bool) {
	accept := h.Values("Accept")
	if m, ok = negotiateNamed(accept); !ok && h.Get("Sec-Fetch-Mode") == "cors" {
		return negotiate(accept)
	}
	return m, ok
}

// check rejects documents that a GET must not execute.
func (g GET) check(document *ast.QueryDocument) *refusal {
	for _, operation := range document.Operations {
		if operation.Operation != ast.Query {
			return needsPOST("a document with a mutation or a subscription")
		}
	}
	if g.Documents.credentials.usedBy(document) {
		return needsPOST("a field that takes a password or a token")
	}
	return nil
}

func needsPOST(what string) *refusal {
	return refuse(http.StatusMethodNotAllowed, "method", "must be POST for "+what).
		withHeader("Allow", http.MethodPost)
}

// parseURL reads a GraphQL request from the URL of a GET, or returns a refusal.
func parseURL(r *http.Request, acceptable bool) (*graphql.RawParams, *refusal) {
	switch {
	case len(r.RequestURI) > maxURLBytes:
		return nil, refuse(http.StatusRequestURITooLong, "URL", "is too long: send the query by POST")
	case !acceptable:
		return nil, refuse(http.StatusNotAcceptable, "Accept",
			"must name application/graphql-response+json or application/json")
	case r.ContentLength != 0: // -1: chunks
		return nil, refuse(http.StatusBadRequest, "body", "must be absent: a GET takes its parameters from the URL")
	}
	return decodeURLParams(r.URL.RawQuery)
}

// decodeURLParams reads the parameters of a GET. It rejects unknown and repeated parameters: a
// proxy or firewall may have read the other one. A token in the URL is therefore rejected, too.
func decodeURLParams(rawQuery string) (*graphql.RawParams, *refusal) {
	values := map[string]string{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, wellFormed := unescapePair(pair)
		if !wellFormed {
			return nil, refuse(http.StatusBadRequest, "URL", "must be well-formed: names and values in UTF-8, percent-encoded")
		}
		switch name {
		case "query", "operationName", "variables", "extensions":
		default:
			return nil, refuse(http.StatusBadRequest, "URL", "must have no parameters other than query, operationName, variables and extensions")
		}
		if _, isDuplicate := values[name]; isDuplicate {
			return nil, refuse(http.StatusBadRequest, name, "must appear only once in the URL")
		}
		values[name] = value
	}
	m := paramDecoder{}
	return m.finish(&graphql.RawParams{
		Query:         values["query"],
		OperationName: values["operationName"], // the specification treats "" as absent
		Variables:     m.urlObject(values, "variables"),
		Extensions:    m.urlObject(values, "extensions"),
	})
}

// unescapePair rejects semicolons, as url.ParseQuery does, because some parsers treat them as
// separators.
func unescapePair(pair string) (name, value string, ok bool) {
	if strings.Contains(pair, ";") {
		return "", "", false
	}
	name, value, _ = strings.Cut(pair, "=")
	name, errName := url.QueryUnescape(name)
	value, errValue := url.QueryUnescape(value)
	return name, value, errName == nil && errValue == nil && utf8.ValidString(value)
}

// urlObject decodes a parameter that must be a JSON object or null.
func (m *paramDecoder) urlObject(values map[string]string, name string) map[string]any {
	text, given := values[name]
	if !given {
		return nil
	}
	value, err := decodeJSON([]byte(text), maxDepth-1) // the same depth as in a body
	if err != nil {
		m.fieldErrors = append(m.fieldErrors, FieldError{name, "is not well-formed JSON: " + err.Error()})
		return nil
	}
	object, ok := value.(map[string]any)
	if value != nil && !ok {
		m.fieldErrors = append(m.fieldErrors, FieldError{name, "must be an object or null"})
	}
	return object
}
