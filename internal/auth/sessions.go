package auth

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"fieldgate/models"
)

// maxCachedSessions bounds the session cache's memory. A session takes about 1 kB.
const maxCachedSessions = 10_000

// Sessions loads sessions and may cache them for a short time. It is safe for concurrent use.
type Sessions struct {
	// Includes reports whether a role includes another. If nil, each role includes only itself. Set
	// it before the first request.
	Includes func(have, want string) bool

	find    func(ctx context.Context, id, userID string) (*models.Session, error)
	factors func(ctx context.Context, userID string) ([]string, error)
	now     func() time.Time
	recheck time.Duration

	mu            sync.Mutex
	cache         *simplelru.LRU[identity, cachedSession]
	invalidations uint64 // number of Invalidate calls
}

type cachedSession struct {
	session   *models.Session
	expiresAt time.Time
}

// NewSessions returns Sessions that cache a session for recheck before they query the database
// again. With 0 they query it each time. Code that revokes or changes a session on this server must
// call Invalidate. A change made by another server takes effect after recheck at the latest.
func NewSessions(store *models.Store, recheck time.Duration) *Sessions {
	cache, err := simplelru.NewLRU[identity, cachedSession](maxCachedSessions, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Sessions{find: store.SessionWithUser, factors: store.FactorKinds, now: store.Now, recheck: recheck, cache: cache}
}

// Invalidate drops the cached sessions of a user. If the viewer of ctx is that user, their session
// is loaded again on next use. Call it after the change is committed. It has no effect for an empty
// user ID.
func (s *Sessions) Invalidate(ctx context.Context, userID string) {
	ViewerFrom(ctx).invalidate(userID)
	if s.recheck == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidations++
	for _, id := range s.cache.Keys() {
		if id.userID == userID {
			s.cache.Remove(id)
		}
	}
}

// load returns the session that id identifies, or models.ErrNotFound if the user has no such
// session.
func (s *Sessions) load(ctx context.Context, id identity) (*models.Session, error) {
	if s.recheck == 0 {
		return s.find(ctx, id.sessionID, id.userID)
	}
	session, invalidated := s.cached(id)
	if session != nil {
		return session, nil
	}
	session, err := s.find(ctx, id.sessionID, id.userID)
	if err == nil {
		s.store(session, invalidated)
	}
	return session, err
}

func (s *Sessions) cached(id identity) (session *models.Session, invalidated uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.cache.Get(id); ok && s.now().Before(t.expiresAt) {
		return t.session, s.invalidations
	}
	return nil, s.invalidations
}

// store caches a session, unless Invalidate was called since the query began: the row may be older.
func (s *Sessions) store(session *models.Session, invalidated uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.invalidations == invalidated {
		s.cache.Add(identity{session.ID, session.UserID}, cachedSession{session, s.now().Add(s.recheck)})
	}
}
