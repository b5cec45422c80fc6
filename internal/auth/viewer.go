package auth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"fieldgate/models"
)

// Client describes the client that sent a request.
type Client struct {
	IP        string // "" if unknown
	UserAgent string // the User-Agent header
	Languages string // the Accept-Language header (RFC 9110 section 12.5.4)
	Device    string // the value of the device cookie, or ""
}

// Viewer is the caller of one request. A sign-in during the request changes it to the user who
// signed in. It is safe for concurrent use.
type Viewer struct {
	client        Client
	claims        *Claims // of the access token, even if expired; nil without a valid token
	refreshToken  string  // from the request's cookie
	challenge     string  // from the request's cookie
	cookie        RefreshCookie
	header        http.Header // of the response
	sessions      *Sessions
	browserHeader string // name of a request header that only browsers send

	mu                sync.Mutex
	pending           *identity       // not loaded yet
	session           *models.Session // with its User, once loaded
	err               error           // why there is no session
	opened            *models.Session // the session that this request opened or refreshed last
	setsRefreshCookie bool            // the response has a refresh cookie
	reloaded          bool            // ReloadSession has queried the database
	factorsOf         string          // the user whose second factors were loaded
	factors           []string
}

// identity is the session and user that a token or a sign-in names.
type identity struct{ sessionID, userID string }

type viewerKey struct{}

// ViewerFrom returns the request's viewer. Outside a request it returns an anonymous one.
func ViewerFrom(ctx context.Context) *Viewer {
	if v, ok := ctx.Value(viewerKey{}).(*Viewer); ok {
		return v
	}
	return &Viewer{err: &UnauthenticatedError{Missing}, header: http.Header{}}
}

// Client returns the client that sent the request.
func (v *Viewer) Client() Client { return v.client }

// Claims returns the claims of the request's access token, or nil without a valid one. The token
// may have expired, and its session may have been revoked.
func (v *Viewer) Claims() *Claims { return v.claims }

// RefreshCookie returns the refresh token in the request's cookie, or "".
func (v *Viewer) RefreshCookie() string { return v.refreshToken }

// BrowserHeader returns the name of a request header that browsers send and servers do not, or "".
// Every browser sends one with a POST.
func (v *Viewer) BrowserHeader() string { return v.browserHeader }

// UserID returns the ID of the authenticated user. It is "" for an anonymous request, and until
// Session was called.
func (v *Viewer) UserID() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session == nil {
		return ""
	}
	return v.session.UserID
}

// Session returns the viewer's session with its User. The first call queries the database; later
// calls in the request return the same result. The error is *UnauthenticatedError or the database's
// own.
//
// Other requests may share the returned session: callers must not change it.
func (v *Viewer) Session(ctx context.Context) (*models.Session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pending != nil {
		v.session, v.err = v.lookUp(ctx, *v.pending)
		v.pending = nil
	}
	return v.session, v.err
}

func (v *Viewer) lookUp(ctx context.Context, id identity) (*models.Session, error) {
	s, err := v.sessions.load(ctx, id)
	switch {
	case errors.Is(err, models.ErrNotFound):
		return nil, &UnauthenticatedError{Revoked}
	case err != nil:
		return nil, err
	case s.Ended(v.sessions.now()):
		return nil, &UnauthenticatedError{Revoked}
	}
	return s, nil
}

// IncludesRole reports whether the role have includes the role want, by the rules of the schema.
func (v *Viewer) IncludesRole(have, want string) bool {
	if v.sessions == nil || v.sessions.Includes == nil {
		return have == want
	}
	return v.sessions.Includes(have, want)
}

// SetSession makes s the session for the rest of the request. Its User must be loaded.
func (v *Viewer) SetSession(s *models.Session) {
	v.setIdentity(nil, s, nil)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.opened = s
}

// Opened returns the session that this request opened or refreshed last, or nil.
func (v *Viewer) Opened() *models.Session {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.opened
}

// ClearSession makes the rest of the request anonymous.
func (v *Viewer) ClearSession() { v.setIdentity(nil, nil, &UnauthenticatedError{Revoked}) }

// invalidate makes the next call of Session load the session again, if it belongs to this user.
func (v *Viewer) invalidate(userID string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.factorsOf = ""
	if v.session != nil && v.session.UserID == userID {
		v.pending = &identity{v.session.ID, v.session.UserID}
	}
}

func (v *Viewer) setIdentity(pending *identity, s *models.Session, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pending, v.session, v.err = pending, s, err
	v.factorsOf = ""
}

// SetRefreshCookie makes the response set the refresh cookie with the given lifetime. A later call
// in the same request replaces it.
func (v *Viewer) SetRefreshCookie(token string, age time.Duration) {
	v.setCookie(v.cookie.cookie(token, age))
}

// ClearRefreshCookie makes the browser delete its refresh cookie: the one that it sent, and the one
// that this response would set. Without either it does nothing.
func (v *Viewer) ClearRefreshCookie() {
	v.mu.Lock()
	hasNone := v.refreshToken == "" && !v.setsRefreshCookie
	v.mu.Unlock()
	if !hasNone {
		v.setCookie(v.cookie.expiredCookie())
	}
}

// SetDeviceCookie makes the response set the device cookie with the given lifetime.
func (v *Viewer) SetDeviceCookie(device string, age time.Duration) {
	v.setCookie(v.cookie.deviceCookie(device, age))
}

// setCookie replaces an earlier cookie of the same name in the response.
func (v *Viewer) setCookie(c *http.Cookie) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.setsRefreshCookie = v.setsRefreshCookie || c.Name == v.cookie.Name()
	others := slices.DeleteFunc(v.header.Values("Set-Cookie"), func(other string) bool {
		return strings.HasPrefix(other, c.Name+"=")
	})
	v.header["Set-Cookie"] = append(others, c.String())
}
