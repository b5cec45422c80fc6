package auth

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fieldgate/internal/web"
	"fieldgate/models"
)

// activeSession returns a session that expires in a week.
func activeSession() *models.Session {
	s := testSession()
	s.ExpiresAt = now.Add(7 * 24 * time.Hour)
	return s
}

func newViewer(load func(context.Context, string, string) (*models.Session, error)) *Viewer {
	return &Viewer{
		pending: &identity{"session-1", "user-1"}, header: http.Header{},
		sessions: &Sessions{find: load, now: func() time.Time { return now }},
	}
}

func TestViewerSessionRejectsEndedSessions(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database is unavailable")
	for _, tt := range []struct {
		name   string
		change func(*models.Session)
		err    error
		want   error
	}{
		{name: "active"},
		{name: "in its last second", change: func(s *models.Session) { s.ExpiresAt = now.Add(time.Second) }},
		{name: "deleted", err: models.ErrNotFound, want: &UnauthenticatedError{Revoked}},
		{name: "the database is unavailable", err: broken, want: broken},
		{name: "expired", change: func(s *models.Session) { s.ExpiresAt = now }, want: &UnauthenticatedError{Revoked}},
		{name: "the account is disabled", change: func(s *models.Session) { s.User.DisabledAt = &now }, want: &UnauthenticatedError{Revoked}},
		{name: "all sessions of the user revoked", change: func(s *models.Session) { s.User.SessionEpoch++ }, want: &UnauthenticatedError{Revoked}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			row := activeSession()
			if tt.change != nil {
				tt.change(row)
			}
			v := newViewer(func(_ context.Context, id, userID string) (*models.Session, error) {
				if id != "session-1" || userID != "user-1" {
					t.Errorf("got a query for session %q of user %q", id, userID)
				}
				if tt.err != nil {
					return nil, tt.err
				}
				return row, nil
			})
			got, err := v.Session(t.Context())
			if tt.want == nil {
				if got != row || err != nil {
					t.Errorf("got %v, %v, want the session", got, err)
				}
				return
			}
			if got != nil || err == nil || err.Error() != tt.want.Error() {
				t.Errorf("got %v, %v, want error %v", got, err, tt.want)
			}
		})
	}
}

func TestViewerQueriesDatabaseOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		row  *models.Session
		err  error
	}{
		{"session found", activeSession(), nil},
		{"session not found", nil, models.ErrNotFound},
		{"database unavailable", nil, errors.New("the database is unavailable")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var loads atomic.Int32
			v := newViewer(func(context.Context, string, string) (*models.Session, error) {
				loads.Add(1)
				return tt.row, tt.err
			})
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if got, err := v.Session(t.Context()); got != tt.row || (err == nil) != (tt.err == nil) {
						t.Errorf("got %v, %v", got, err)
					}
				})
			}
			wg.Wait()
			if n := loads.Load(); n != 1 {
				t.Errorf("got %d queries, want 1", n)
			}
		})
	}
}

func TestSetSessionReplacesIdentity(t *testing.T) {
	t.Parallel()
	never := func(context.Context, string, string) (*models.Session, error) {
		return nil, errors.New("the session of the request's token was loaded")
	}
	for _, tt := range []struct {
		name   string
		viewer *Viewer
	}{
		{"an anonymous viewer", &Viewer{err: &UnauthenticatedError{Missing}}},
		{"an expired token", &Viewer{err: &UnauthenticatedError{Expired}}},
		{"a token whose session is not loaded yet", newViewer(never)},
		{"another user", &Viewer{session: &models.Session{ID: "session-2"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := activeSession()
			tt.viewer.SetSession(s)
			if got, err := tt.viewer.Session(t.Context()); got != s || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestSetSessionIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	before, after := activeSession(), activeSession()
	v := newViewer(func(context.Context, string, string) (*models.Session, error) { return before, nil })
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := v.Session(t.Context()); err != nil || got != before && got != after {
				t.Errorf("got %v, %v", got, err)
			}
		})
		wg.Go(func() { v.SetSession(after) })
	}
	wg.Wait()
	if got, err := v.Session(t.Context()); got != after || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestViewerOutsideRequestIsAnonymous(t *testing.T) {
	t.Parallel()
	v := ViewerFrom(t.Context())
	var refused *UnauthenticatedError
	if got, err := v.Session(t.Context()); got != nil || !errors.As(err, &refused) || refused.Reason != Missing {
		t.Errorf("got %v, %v", got, err)
	}
	if v.Client() != (Client{}) {
		t.Errorf("got client %+v, want none", v.Client())
	}
	v.SetRefreshCookie("token", time.Hour)
	v.SetSession(activeSession())
	if _, err := ViewerFrom(t.Context()).Session(t.Context()); err == nil {
		t.Error("a session set outside a request is kept")
	}
}

func TestLastRefreshCookieWins(t *testing.T) {
	t.Parallel()
	v := newViewer(nil)
	v.cookie = RefreshCookie{Secure: true, SameSite: http.SameSiteStrictMode}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { v.SetRefreshCookie("first", time.Hour) })
	}
	wg.Wait()
	v.SetRefreshCookie("second", time.Hour)
	want := "__Host-refresh=second; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict"
	if got := v.header.Values("Set-Cookie"); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want only %q", got, want)
	}
}

func TestMiddlewareIdentifiesCaller(t *testing.T) {
	t.Parallel()
	tokens := newTestTokens(t)
	for _, tt := range []struct {
		name          string
		authorization string
		want          Reason // "" if a session is pending
	}{
		{"a token", "Bearer " + issueToken(t, tokens), ""},
		{"no token", "", Missing},
		{"not a token", "Bearer x", Invalid},
		{"an expired token", "Bearer " + tokenWithClaims(goodClaims().with("iat", now.Unix()-900).with("exp", now.Unix()-1)), Expired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
			r.RemoteAddr = "[2001:db8::1]:1234"
			r.Header.Set("X-Forwarded-For", "192.0.2.1")
			r.Header.Set("User-Agent", "a test")
			r.Header.Set("Cookie", "refresh=abc; __Host-refresh=other")
			if tt.authorization != "" {
				r.Header.Set("Authorization", tt.authorization)
			}
			reached := false
			next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				reached = true
				v := ViewerFrom(r.Context())
				if want := (Client{IP: "2001:db8::1", UserAgent: "a test"}); v.Client() != want {
					t.Errorf("got client %+v, want %+v", v.Client(), want)
				}
				if tt.want == "" {
					if v.pending == nil || v.pending.sessionID != "session-1" || v.Claims() == nil || v.RefreshCookie() != "abc" {
						t.Errorf("got %+v, want a viewer with a pending session", v)
					}
					return
				}
				var refused *UnauthenticatedError
				if _, err := v.Session(r.Context()); !errors.As(err, &refused) || refused.Reason != tt.want {
					t.Errorf("got %v, want reason %s", err, tt.want)
				}
			})
			web.Chain(next, web.ClientIP(nil), Middleware(tokens, NewSessions(&models.Store{}, 0), RefreshCookie{})).ServeHTTP(httptest.NewRecorder(), r)
			if !reached {
				t.Error("the middleware rejected the request")
			}
		})
	}
}
