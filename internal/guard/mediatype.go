package guard

import (
	"net/http"
	"strconv"
	"strings"
)

// mediaType is what an answer is written as. The bytes are the same; the
// statuses differ.
type mediaType string

const (
	// legacyJSON is for clients that take every status but 200 for a failure
	// of the network. They get 200 for each well-formed request, and read the
	// errors.
	legacyJSON mediaType = "application/json"
	// graphqlJSON declares that the body is a GraphQL response whatever the
	// status, so the status is free to speak to proxies and monitors.
	graphqlJSON mediaType = "application/graphql-response+json"
)

// requestErrorStatus is the status of an answer without data: the document does
// not parse or validate, or its variables do not fit.
//
// The working draft has moved to 422 for most of these and to the same statuses
// for legacy clients; this keeps to what the draft said before, which is what
// clients and the graphql-http audit (1.23) expect today.
func (m mediaType) requestErrorStatus() int {
	if m == graphqlJSON {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// negotiate picks the media type of the answer by the values of the Accept
// header (RFC 9110, section 12.5.1); ok is false when the client accepts
// neither, and the answer is 406, in legacyJSON for want of better.
//
// The higher quality wins; at the same quality the type that is named over the
// one that a wildcard lets in. When both are named alike the newer one is taken,
// and when both are only let in (*/*, or no header) the legacy one: who does not
// name the newer type may not know what its statuses mean.
func negotiate(accept []string) (m mediaType, ok bool) {
	if len(accept) == 1 { // what nearly all clients send
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
	default: // named, with the other or alone, or just let in
		return choose(graphql.precision == exact), true
	}
}

// negotiateNamed is negotiate for requests that must name a type: a wildcard
// lets none in. A browser that follows a link or loads an image or a script
// names neither type.
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

// preferences reads the values of an Accept header; empty says that they hold
// nothing.
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

// preference is what an Accept header says about one media type: the quality
// given by the most precise range that covers it.
type preference struct {
	precision int
	q         float64
}

// named is the quality that was given to the type by its name.
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

// parseMediaRange reads one member of an Accept header. One that is malformed,
// or wants another encoding than UTF-8, is as good as absent. Parameters that
// say nothing to us are passed over.
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
			if err != nil || !(q >= 0 && q <= 1) { // NaN is neither
				return r, false
			}
			r.q = q
		}
	}
	return r, true
}
