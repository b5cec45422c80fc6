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

// read makes a GraphQL request out of an HTTP request, or says why it is none;
// acceptable says whether there is a media type to answer it in.
func (p POST) read(w http.ResponseWriter, r *http.Request, acceptable bool) (*graphql.RawParams, *refusal) {
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "method", "must be POST, or GET for a query").
			withHeader("Allow", "GET, POST")
	}
	if !acceptable {
		return nil, refuse(http.StatusNotAcceptable, "Accept",
			"must include application/graphql-response+json or application/json")
	}
	if no := checkContent(r.Header); no != nil {
		return nil, no
	}
	body, no := p.body(w, r)
	if no != nil {
		return nil, no
	}
	return decodeParams(body)
}

// checkContent takes UTF-8 JSON as it is, only. Besides sparing decoders this
// keeps out cross-site forms: a browser sends text/plain, forms and bodies
// without a type to anybody without asking, but JSON only after a preflight.
// A type that is given twice is one for us and another for who stands in
// between, so it is none.
func checkContent(h http.Header) *refusal {
	types := h.Values("Content-Type")
	if len(types) != 1 || !isJSON(types[0]) {
		return refuse(http.StatusUnsupportedMediaType, "Content-Type", "must be application/json, in UTF-8").
			withHeader("Accept", string(legacyJSON)) // RFC 9110, section 15.5.16
	}
	for _, coding := range h.Values("Content-Encoding") {
		if !strings.EqualFold(coding, "identity") {
			// A few compressed KiB can hold a GiB.
			return refuse(http.StatusUnsupportedMediaType, "Content-Encoding", "must be absent").
				withHeader("Accept-Encoding", "identity")
		}
	}
	return nil
}

func isJSON(contentType string) bool {
	switch contentType {
	case "application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8":
		return true // what clients send, without the map that ParseMediaType makes
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
	// Room for the usual body at once; more is not taken on the client's word,
	// only as it comes in.
	body.Grow(int(min(max(r.ContentLength, 0), 4<<10)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return body.Bytes(), nil
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok { // our limit, or one set further out
		return nil, tooLarge()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, refuse(http.StatusRequestTimeout, "body", "did not arrive in time")
	}
	return nil, refuse(http.StatusBadRequest, "body", "could not be read to its end")
}

func tooLarge() *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "body", "is too large")
}
