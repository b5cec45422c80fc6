package web

import (
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rs/cors"
)

// corsMaxAge is how many seconds a browser may cache the answer to a preflight: two hours, the
// longest that any browser caches it.
const corsMaxAge = 7200

// CrossOriginConfig configures which origins may call. Log, Refused and Hint are required.
type CrossOriginConfig struct {
	Origins    []string // exact, in a browser's form: https://app.example.com
	AllowLocal bool     // allow http://localhost, http://127.0.0.1 and http://[::1] at every port

	// Refused returns a handler that answers with status 403 and an error about a header.
	Refused func(header, message string) http.Handler
	// Hint returns the setting that allows the pages of an origin.
	Hint func(origin string) string
	Log  *slog.Logger
	Now  func() time.Time
}

// CrossOrigin lets browsers call with cookies from some origins and refuses their requests from all
// others.
//
// Browsers send the origin of a request in Sec-Fetch-Site and Origin (Fetch Metadata; RFC 6454). A
// client that sends neither is not a browser, and sends only cookies that it was given explicitly.
// Unlike http.CrossOriginProtection, CrossOrigin also refuses GET and HEAD across origins, and
// requests that a page makes without a script: links, images, frames.
func CrossOrigin(c CrossOriginConfig) func(http.Handler) http.Handler {
	o := &crossOrigin{CrossOriginConfig: c, protection: http.NewCrossOriginProtection()}
	sharing := cors.New(cors.Options{
		// A function, because an empty list would allow every origin.
		AllowOriginFunc:  o.allows,
		AllowCredentials: true,
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   []string{"Authorization", "Content-Type"},
		ExposedHeaders:   []string{RequestIDHeader, "Retry-After"},
		MaxAge:           corsMaxAge,
	})
	return func(next http.Handler) http.Handler { return o.preflight(sharing.Handler(o.protect(next))) }
}

type crossOrigin struct {
	CrossOriginConfig
	protection *http.CrossOriginProtection
	refusals   refusalLog
}

// allows reports whether pages of an origin may call.
func (o *crossOrigin) allows(origin string) bool {
	return slices.Contains(o.Origins, origin) || o.AllowLocal && isLocalOrigin(origin)
}

// preflight refuses preflights of other origins. rs/cors would answer 204 without a reason.
func (o *crossOrigin) preflight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		preflight := r.Method == http.MethodOptions && origin != "" && r.Header.Get("Access-Control-Request-Method") != ""
		if hasRepeatedHeaders(r.Header) || preflight && !o.allows(origin) {
			o.refuseOrigin(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hasRepeatedHeaders reports whether a header about the request's origin has more than one value.
// Browsers send one. With two, this server and a proxy might read different values.
func hasRepeatedHeaders(h http.Header) bool {
	return len(h["Origin"]) > 1 || len(h["Sec-Fetch-Site"]) > 1 ||
		len(h["Sec-Fetch-Mode"]) > 1 || len(h["Sec-Fetch-Dest"]) > 1
}

// vary lists the headers that an answer depends on.
var vary = []string{"Accept, Authorization, Origin"}

func (o *crossOrigin) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Vary"] = vary
		if r.Method == http.MethodOptions { // it has no effect, and is answered with 405
			next.ServeHTTP(w, r)
			return
		}
		if o.protection.Check(asPOST(r)) != nil && !o.allows(r.Header.Get("Origin")) {
			o.refuseOrigin(w, r)
			return
		}
		if header := loadedByMarkup(r.Header); header != "" {
			const message = "must be that of a script's request: the API cannot be loaded as a page, image, frame or script"
			o.Refused(header, message).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loadedByMarkup returns the header that shows that markup caused the request: a link, an image, a
// frame, a script element. It returns "" for requests of scripts by fetch or XMLHttpRequest.
func loadedByMarkup(h http.Header) (header string) {
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" && mode != "cors" && mode != "same-origin" {
		return "Sec-Fetch-Mode"
	}
	if dest := h.Get("Sec-Fetch-Dest"); dest != "" && dest != "empty" {
		return "Sec-Fetch-Dest"
	}
	return ""
}

// asPOST returns the request with a method that http.CrossOriginProtection checks.
func asPOST(r *http.Request) *http.Request {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return r
	}
	r = r.WithContext(r.Context()) // a copy
	r.Method = http.MethodPost
	return r
}

func (o *crossOrigin) refuseOrigin(w http.ResponseWriter, r *http.Request) {
	w.Header()["Vary"] = vary
	message := "is not allowed to call this API"
	if origin := r.Header.Get("Origin"); !hasRepeatedHeaders(r.Header) && isWellFormedOrigin(origin) {
		hint := o.Hint(origin)
		message += ". " + hint
		if o.refusals.isFirst(origin, o.Now()) {
			o.Log.InfoContext(r.Context(), "cross-origin request refused", "origin", origin, "hint", hint)
		}
	}
	o.Refused("Origin", message).ServeHTTP(w, r)
}

// refusalLog remembers the refused origins that were logged. A page that repeats its requests, or a
// client that invents origins, cannot fill the log.
type refusalLog struct {
	mu    sync.Mutex
	since time.Time
	seen  map[string]bool
}

const (
	// At most maxLoggedOrigins origins are logged per refusalWindow, each of them once.
	refusalWindow    = time.Hour
	maxLoggedOrigins = 20
)

// isFirst reports whether the refusal of an origin should be logged.
func (l *refusalLog) isFirst(origin string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= refusalWindow {
		l.since, l.seen = now, map[string]bool{}
	}
	if l.seen[origin] || len(l.seen) == maxLoggedOrigins {
		return false
	}
	l.seen[origin] = true
	return true
}

// originPattern matches an origin in a browser's form. It does not match null, the origin of
// sandboxed frames and files.
var originPattern = regexp.MustCompile(`^https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?$`)

const maxOriginLength = len("https://") + 253 + len(":65535")

// isWellFormedOrigin reports whether an Origin header is safe to repeat in an answer and in the
// log.
func isWellFormedOrigin(origin string) bool {
	return len(origin) <= maxOriginLength && originPattern.MatchString(origin)
}

// localHosts are the names of this machine in its own browser.
var localHosts = []string{"localhost", "127.0.0.1", "::1"}

// isLocalOrigin reports whether an origin is a page that this machine serves over plain http.
func isLocalOrigin(origin string) bool {
	if !isWellFormedOrigin(origin) {
		return false
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" || u.User != nil || !slices.Contains(localHosts, u.Hostname()) {
		return false
	}
	_, err = strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil
}
