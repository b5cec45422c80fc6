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

// corsMaxAge is how many seconds a browser may remember that it asked: two hours, the most that any keeps.
const corsMaxAge = 7200

// CrossOriginConfig says whose pages may call. Log, Refused and Hint are needed.
type CrossOriginConfig struct {
	Origins    []string // exact, as browsers write them: https://app.example.com
	AllowLocal bool     // and pages of http://localhost, http://127.0.0.1 and http://[::1], at every port

	Refused func(header, message string) http.Handler // answers with the status 403 and an error that blames a header
	Hint    func(origin string) string                // what to set, to allow the pages of an origin
	Log     *slog.Logger
	Now     func() time.Time
}

// CrossOrigin lets browsers call from some origins, with cookies, and refuses what they send from any other.
//
// A browser says where a request comes from in Sec-Fetch-Site and Origin (Fetch Metadata; RFC 6454). A client that
// sends neither is no browser, and sends no cookies that it was not given by hand. Other than
// http.CrossOriginProtection, it refuses GET and HEAD across origins too, and whatever a page loads or opens
// without a script: links, images, frames.
func CrossOrigin(c CrossOriginConfig) func(http.Handler) http.Handler {
	o := &crossOrigin{CrossOriginConfig: c, protection: http.NewCrossOriginProtection()}
	sharing := cors.New(cors.Options{
		// By function: an empty list would mean every origin.
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

// preflight refuses preflights of other origins, which rs/cors answers with 204 and no reason.
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

// hasRepeatedHeaders reports whether a header that says where the request comes from has more than one value. Browsers send one;
// of two, this server and a proxy may each read another one.
func hasRepeatedHeaders(h http.Header) bool {
	return len(h["Origin"]) > 1 || len(h["Sec-Fetch-Site"]) > 1 || len(h["Sec-Fetch-Mode"]) > 1 || len(h["Sec-Fetch-Dest"]) > 1
}

// vary is what an answer depends on.
var vary = []string{"Accept, Authorization, Origin"}

func (o *crossOrigin) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Vary"] = vary
		if r.Method == http.MethodOptions { // which does nothing, and is answered with 405
			next.ServeHTTP(w, r)
			return
		}
		if o.protection.Check(asPOST(r)) != nil && !o.allows(r.Header.Get("Origin")) {
			o.refuseOrigin(w, r)
			return
		}
		if header := loadedByMarkup(r.Header); header != "" {
			o.Refused(header, "must be that of a script's request: the API is no page, image, frame or script").ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loadedByMarkup returns the header by which a browser says that a link, an image, a frame, a script element or the
// like has caused a request, and no script by fetch or XMLHttpRequest; else "".
func loadedByMarkup(h http.Header) (header string) {
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" && mode != "cors" && mode != "same-origin" {
		return "Sec-Fetch-Mode"
	}
	if dest := h.Get("Sec-Fetch-Dest"); dest != "" && dest != "empty" {
		return "Sec-Fetch-Dest"
	}
	return ""
}

// asPOST is the request as one of a method that http.CrossOriginProtection checks.
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
	message := "is not one of those that may use this API"
	if origin := r.Header.Get("Origin"); !hasRepeatedHeaders(r.Header) && isWellFormedOrigin(origin) {
		hint := o.Hint(origin)
		message += ". " + hint
		if o.refusals.isFirst(origin, o.Now()) {
			o.Log.InfoContext(r.Context(), "cross-origin request refused", "origin", origin, "hint", hint)
		}
	}
	o.Refused("Origin", message).ServeHTTP(w, r)
}

// refusalLog remembers which origins were logged, so that a page that asks again and again, or a client that makes
// origins up, does not fill the log.
type refusalLog struct {
	mu    sync.Mutex
	since time.Time
	seen  map[string]bool
}

// At most so many origins are logged in such a time, each of them once.
const (
	refusalWindow    = time.Hour
	maxLoggedOrigins = 20
)

// isFirst reports whether the refusal of an origin is to be logged.
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

// originPattern is an origin as browsers write one. null, which stands for a sandboxed frame or a file, is none.
var originPattern = regexp.MustCompile(`^https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?$`)

const maxOriginLength = len("https://") + 253 + len(":65535")

// isWellFormedOrigin reports whether an Origin header can be repeated in an answer and in the log.
func isWellFormedOrigin(origin string) bool {
	return len(origin) <= maxOriginLength && originPattern.MatchString(origin)
}

// localHosts are the names of this machine in its own browser, as browsers write them.
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
