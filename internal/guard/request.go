package guard

import (
	"bytes"
	"cmp"
	"errors"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/99designs/gqlgen/graphql"
)

// read reads a GraphQL request from an HTTP request, or returns a refusal. acceptable reports
// whether the client accepts a media type of the answer.
func (p POST) read(w http.ResponseWriter, r *http.Request, acceptable bool) (*graphql.RawParams, *refusal) {
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "method", "must be POST, or GET for a query").
			withHeader("Allow", "GET, POST")
	}
	if !acceptable {
		return nil, refuse(http.StatusNotAcceptable, "Accept",
			"must include application/graphql-response+json or application/json")
	}
	if refused := checkContent(r.Header); refused != nil {
		return nil, refused
	}
	body, refused := p.body(w, r)
	if refused != nil {
		return nil, refused
	}
	return decodeParams(body)
}

// checkContent accepts only uncompressed UTF-8 JSON. This also rejects cross-site forms: a browser
// sends text/plain, forms and bodies without a type to any site, but JSON only after a preflight
// request. Two Content-Type headers are rejected, because a proxy may read the other one.
func checkContent(h http.Header) *refusal {
	types := h.Values("Content-Type")
	if len(types) != 1 || !isJSON(types[0]) {
		return refuse(http.StatusUnsupportedMediaType, "Content-Type", "must be application/json, in UTF-8").
			withHeader("Accept", string(legacyJSON)) // RFC 9110, section 15.5.16
	}
	for _, coding := range h.Values("Content-Encoding") {
		if !strings.EqualFold(coding, "identity") {
			// A few compressed KiB can expand to a GiB.
			return refuse(http.StatusUnsupportedMediaType, "Content-Encoding", "must be absent: send the body uncompressed").
				withHeader("Accept-Encoding", "identity")
		}
	}
	return nil
}

func isJSON(contentType string) bool {
	switch contentType {
	case "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8":
		return true // the usual values, without the map that ParseMediaType allocates
	}
	media, params, err := mime.ParseMediaType(contentType)
	return err == nil && media == string(legacyJSON) &&
		strings.EqualFold(cmp.Or(params["charset"], "utf-8"), "utf-8")
}

func (p POST) body(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	limit := cmp.Or(p.MaxBytes, DefaultMaxBytes)
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	var body bytes.Buffer
	// Allocates for a body of the usual size. For more it does not trust the client's
	// Content-Length.
	body.Grow(int(min(max(r.ContentLength, 0), 4<<10)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return body.Bytes(), nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok { // this limit or an outer one
		return nil, tooLarge()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, refuse(http.StatusRequestTimeout, "body", "did not arrive in time: send the request again")
	}
	return nil, refuse(http.StatusBadRequest, "body", "ended before it was complete: send the request again")
}

func tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "body", "is too large: send a smaller request")
}
