package auth

import (
	"context"
	"net/http"
	"time"

	"fieldgate/models"
)

func (c RefreshCookie) challengeName() string { return c.prefixed("challenge") }

// challengeCookie returns the cookie that holds the challenge of a sign-in that waits for a second
// factor. It binds the sign-in to one browser, and keeps the challenge out of error objects, which
// often end in error trackers.
func (c RefreshCookie) challengeCookie(challenge string, age time.Duration) *http.Cookie {
	cookie := c.cookie(challenge, age)
	cookie.Name = c.challengeName()
	return cookie
}

func (c RefreshCookie) readChallenge(r *http.Request) string { return readToken(r, c.challengeName()) }

// Now returns the server's time.
func (v *Viewer) Now() time.Time {
	if v.sessions == nil {
		return time.Now()
	}
	return v.sessions.now()
}

// ChallengeCookie returns the challenge in the request's cookie, or "".
func (v *Viewer) ChallengeCookie() string { return v.challenge }

// SetChallengeCookie makes the response deliver a challenge in the cookie, kept for the given time.
func (v *Viewer) SetChallengeCookie(challenge string, age time.Duration) {
	v.setCookie(v.cookie.challengeCookie(challenge, age))
}

// ClearChallengeCookie makes the browser delete its challenge, if the request has one.
func (v *Viewer) ClearChallengeCookie() {
	if v.challenge != "" {
		v.setCookie(v.cookie.challengeCookie("", 0))
	}
}

// ReloadSession reads the viewer's session from the database again, past the cache of
// SESSION_RECHECK: another server may have recorded a new proof of identity, or revoked the
// session. It does so once in a request. The errors are those of Session.
func (v *Viewer) ReloadSession(ctx context.Context) (*models.Session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session == nil || v.sessions == nil || v.sessions.recheck == 0 || v.reloaded {
		return v.session, v.err
	}
	v.reloaded = true
	who := identity{v.session.ID, v.session.UserID}
	v.sessions.forget(who)
	v.session, v.err = v.lookUp(ctx, who)
	return v.session, v.err
}

// SecondFactors returns the kinds of the second factors that the viewer has enrolled. The answer
// is kept until the user's account changes in this request. For an anonymous viewer, SecondFactors
// returns the error of Session.
func (v *Viewer) SecondFactors(ctx context.Context) ([]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session == nil || v.sessions == nil {
		return nil, v.err
	}
	if v.factorsOf != v.session.UserID {
		kinds, err := v.sessions.factors(ctx, v.session.UserID)
		if err != nil {
			return nil, err
		}
		v.factorsOf, v.factors = v.session.UserID, kinds
	}
	return v.factors, nil
}

// forget drops one session from the cache.
func (s *Sessions) forget(who identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidations++
	s.cache.Remove(who)
}
