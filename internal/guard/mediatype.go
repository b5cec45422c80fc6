package guard

import (
	"net/http"
	"strconv"
	"strings"
)

// mediaType is the media type of an answer. The body is the same for each; the statuses differ.
type mediaType string

const (
	// legacyJSON is for clients that treat every status but 200 as a network failure. They get 200
	// for each well-formed request, and read the errors.
	legacyJSON mediaType = "application/json"
	// graphqlJSON declares the body a GraphQL response for every status, so the status can inform
	// proxies and monitors.
	graphqlJSON mediaType = "application/graphql-response+json"
)

// requestErrorStatus returns the status of an answer without data: the document does not parse or
// validate, or its variables do not match.
//
// The working draft now says 422 for most of these, and the same statuses for legacy clients. This
// server follows the earlier draft, which clients and the graphql-http audit (1.23) expect.
func (m mediaType) requestErrorStatus() int {
	if m == graphqlJSON {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// negotiate selects the media type of the answer from the values of the Accept header (RFC 9110,
// section 12.5.1). It reports false if the client accepts neither type; the answer is then 406 in
// legacyJSON.
//
// The higher quality wins. At equal quality, a named type wins over one that only a wildcard
// accepts. If both are named, the newer type wins. If both are accepted by a wildcard or a missing
// header, the legacy type wins, because such a client may not know the newer type's statuses.
func negotiate(accept []string) (m mediaType, ok bool) {
	if len(accept) == 1 { // the usual values, without parsing
		switch accept[0] {
		case "*/*", string(legacyJSON):
			return legacyJSON, true
		case string(graphqlJSON):
			return graphqlJSON, true
		}
	}
	legacy, graphql, empty := preferences(accept)
	switch {
	case empty:
		return legacyJSON, true
	case legacy.q == 0 && graphql.q == 0:
		return legacyJSON, false
	case graphql.q != legacy.q:
		return choose(graphql.q > legacy.q), true
	default: // equal quality: by precision
		return choose(graphql.precision == exact), true
	}
}

// negotiateNamed is like negotiate, but a wildcard accepts no type. A browser that follows a link
// or loads an image or a script names neither type.
func negotiateNamed(accept []string) (m mediaType, ok bool) {
	if len(accept) == 1 {
		switch accept[0] {
		case string(legacyJSON):
			return legacyJSON, true
		case string(graphqlJSON):
			return graphqlJSON, true
		}
	}
	legacy, graphql, _ := preferences(accept)
	newer, older := graphql.named(), legacy.named()
	return choose(newer > 0 && newer >= older), newer > 0 || older > 0
}

// preferences parses the values of an Accept header. empty reports that they contain no media
// range.
func preferences(accept []string) (legacy, graphql preference, empty bool) {
	empty = true
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			empty = false
			if r, ok := parseMediaRange(part); ok {
				legacy.consider(r, legacyJSON)
				graphql.consider(r, graphqlJSON)
			}
		}
	}
	return legacy, graphql, empty
}

func choose(newer bool) mediaType {
	if newer {
		return graphqlJSON
	}
	return legacyJSON
}

const (
	anyType    = iota + 1 // */*
	anySubtype            // application/*
	exact
)

// preference is the quality of a media type in an Accept header, given by the most precise range
// that covers it.
type preference struct {
	precision int
	q         float64
}

// named returns the quality if the type is named exactly, or else 0.
func (p preference) named() float64 {
	if p.precision != exact {
		return 0
	}
	return p.q
}

func (p *preference) consider(r mediaRange, m mediaType) {
	precision := r.covers(m)
	if precision > p.precision || precision > 0 && precision == p.precision && r.q > p.q {
		*p = preference{precision, r.q}
	}
}

type mediaRange struct {
	name string
	q    float64
}

func (r mediaRange) covers(m mediaType) (precision int) {
	switch {
	case strings.EqualFold(r.name, string(m)):
		return exact
	case strings.EqualFold(r.name, "application/*"):
		return anySubtype
	case r.name == "*/*":
		return anyType
	default:
		return 0
	}
}

// parseMediaRange parses one media range of an Accept header. It reports false for a malformed
// range and for a charset other than UTF-8, which are ignored. Unknown parameters are skipped.
func parseMediaRange(part string) (r mediaRange, ok bool) {
	name, rest, _ := strings.Cut(part, ";")
	r = mediaRange{name: strings.TrimSpace(name), q: 1}
	for param := range strings.SplitSeq(rest, ";") {
		key, value, _ := strings.Cut(param, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "charset":
			if !strings.EqualFold(value, "utf-8") {
				return r, false
			}
		case "q":
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || !(q >= 0 && q <= 1) { // false for NaN
				return r, false
			}
			r.q = q
		}
	}
	return r, true
}
