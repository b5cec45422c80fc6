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

// Client is the program at the other end of a request.
type Client struct {
	IP        string // "" if it is not known
	UserAgent string // what it calls itself, as it came
	Languages string // those that it prefers, as it came: RFC 9110 section 12.5.4
	Device    string // what its device cookie holds; "" if there is none
}

// Viewer is who is asking in one request. What the request does changes it: after a sign-in it is the
// person who signed in. It is safe for use by many goroutines.
type Viewer struct {
	client        Client
	claims        *Claims // of the request's access token, also if it has expired; nil without a good one
	refreshToken  string  // the refresh token in the request's cookie
	cookie        RefreshCookie
	header        http.Header // of the response
	sessions      *Sessions
	browserHeader string // the header that only a browser sends

	mu                sync.Mutex
	pending           *identity       // to be looked up still
	session           *models.Session // cookie its User, once looked up
	err               error           // why there is no session
	opened            *models.Session // that the request signed in with or refreshed last
	setsRefreshCookie bool            // the response has a refresh cookie
}

// identity is who a token or a sign-in says that somebody is.
type identity struct{ sessionID, userID string }

type viewerKey struct{}

// ViewerFrom returns the request's viewer; outside a request it is nobody.
func ViewerFrom(ctx context.Context) *Viewer {
	if v, ok := ctx.Value(viewerKey{}).(*Viewer); ok {
		return v
	}
	return &Viewer{err: &UnauthenticatedError{Missing}, header: http.Header{}}
}

// Client is the program that the viewer asks with.
func (v *Viewer) Client() Client { return v.client }

// Claims is what the request's access token says, and nil if it brought none or one that is not ours. The token
// may have expired, and its session may have ended.
func (v *Viewer) Claims() *Claims { return v.claims }

// RefreshCookie is the refresh token in the request's cookie, or "".
func (v *Viewer) RefreshCookie() string { return v.refreshToken }

// BrowserHeader returns the name of a request header that browsers add and servers do not, or "". Every browser sends one
// with a POST.
func (v *Viewer) BrowserHeader() string { return v.browserHeader }

// UserID is the id of the person who is asking, as far as that was found out: it is "" if nobody is, and until
// somebody has asked for the Session.
func (v *Viewer) UserID() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session == nil {
		return ""
	}
	return v.session.UserID
}

// Session returns the viewer's session with its User. The first call asks the database, all later ones of
// the request get the same answer. The error is *Unauthenticated, or the database's own.
//
// What it returns is shared with other requests: nobody changes it.
func (v *Viewer) Session(ctx context.Context) (*models.Session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pending != nil {
		v.session, v.err = v.lookUp(ctx, *v.pending)
		v.pending = nil
	}
	return v.session, v.err
}

func (v *Viewer) lookUp(ctx context.Context, who identity) (*models.Session, error) {
	s, err := v.sessions.load(ctx, who)
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

// SetSession makes the rest of the request that person's. The session must have its User.
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

// ClearSession makes the rest of the request nobody's.
func (v *Viewer) ClearSession() { v.setIdentity(nil, nil, &UnauthenticatedError{Revoked}) }

// invalidate has the viewer's session read again when it is next needed, if it is one of this user.
func (v *Viewer) invalidate(userID string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.session != nil && v.session.UserID == userID {
		v.pending = &identity{v.session.ID, v.session.UserID}
	}
}

func (v *Viewer) setIdentity(pending *identity, s *models.Session, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pending, v.session, v.err = pending, s, err
}

// SetRefreshCookie has the response deliver a refresh token in the cookie, to be kept for the given time. A
// later call in the same request replaces it.
func (v *Viewer) SetRefreshCookie(token string, age time.Duration) {
	v.setCookie(v.cookie.cookie(token, age))
}

// ClearRefreshCookie has the browser forget its refresh token: the one that it sent, and the one that this response
// would set. It does nothing if there is neither.
func (v *Viewer) ClearRefreshCookie() {
	v.mu.Lock()
	none := v.refreshToken == "" && !v.setsRefreshCookie
	v.mu.Unlock()
	if !none {
		v.setCookie(v.cookie.expiredCookie())
	}
}

// SetDeviceCookie has the response deliver the device cookie, to be kept for the given time.
func (v *Viewer) SetDeviceCookie(device string, age time.Duration) {
	v.setCookie(v.cookie.deviceCookie(device, age))
}

// setCookie replaces an earlier cookie of the same name in the response.
func (v *Viewer) setCookie(c *http.Cookie) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.setsRefreshCookie = v.setsRefreshCookie || c.Name == v.cookie.Name()
	others := slices.DeleteFunc(v.header.Values("Set-Cookie"), func(other string) bool { return strings.HasPrefix(other, c.Name+"=") })
	v.header["Set-Cookie"] = append(others, c.String())
}
