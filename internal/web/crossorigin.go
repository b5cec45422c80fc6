package web

import (
	"net/http"
	"slices"

	"github.com/rs/cors"
)

// corsMaxAge is how many seconds a browser may remember that it asked: two hours, the most that any keeps.
const corsMaxAge = 7200

// CrossOrigin lets browsers call from the given origins, with cookies, and refuses what they send from any
// other: by refused, with the status 403. Origins are exact, as browsers write them: https://app.example.com.
//
// A browser says where a request comes from in Sec-Fetch-Site and Origin (Fetch Metadata; RFC 6454); what says
// neither is no browser, and brings no cookies that it was not given by hand.
func CrossOrigin(origins []string, refused http.Handler) (func(http.Handler) http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(refused)
	for _, origin := range origins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	sharing := cors.New(cors.Options{
		// By function: an empty list would mean every origin.
		AllowOriginFunc:  func(origin string) bool { return slices.Contains(origins, origin) },
		AllowCredentials: true,
		AllowedMethods:   []string{http.MethodPost},
		AllowedHeaders:   []string{"Authorization", "Content-Type"},
		ExposedHeaders:   []string{RequestIDHeader, "Retry-After"},
		MaxAge:           corsMaxAge,
	})
	return func(next http.Handler) http.Handler {
		checked := sharing.Handler(protection.Handler(next))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if repeated(r.Header) {
				refused.ServeHTTP(w, r)
				return
			}
			checked.ServeHTTP(w, r)
		})
	}, nil
}

// repeated reports whether a header that says where the request comes from has more than one value. Browsers send one;
// of two, this server and a proxy may each read another one.
func repeated(h http.Header) bool {
	return len(h.Values("Origin")) > 1 || len(h.Values("Sec-Fetch-Site")) > 1
}
