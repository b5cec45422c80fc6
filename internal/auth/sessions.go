package auth

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"fieldgate/models"
)

// maxCachedSessions bounds the memory that trusted sessions take: about a kilobyte each.
const maxCachedSessions = 10_000

// Sessions looks sessions up, and may trust what it has seen for a while. It is safe for use by many
// goroutines.
type Sessions struct {
	// Includes reports whether a role includes another one; nil: each includes itself. It is set before the first request.
	Includes func(have, want string) bool

	find    func(ctx context.Context, id, userID string) (*models.Session, error)
	now     func() time.Time
	recheck time.Duration

	mu            sync.Mutex
	cache         *simplelru.LRU[identity, cachedSession]
	invalidations uint64 // counts calls of Invalidate
}

type cachedSession struct {
	session   *models.Session
	expiresAt time.Time
}

// NewSessions trusts a session that it has looked up for the time of recheck before it asks the database
// again; with 0 it always asks. Code that ends or changes a session on this replica must call Invalidate; a change by another
// replica takes effect here after recheck at the latest.
func NewSessions(store *models.Store, recheck time.Duration) *Sessions {
	cache, err := simplelru.NewLRU[identity, cachedSession](maxCachedSessions, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Sessions{find: store.SessionWithUser, now: store.Now, recheck: recheck, cache: cache}
}

// Invalidate drops what is cached of a user: their sessions in s and, if the user is the viewer of ctx, the viewer's
// identity. Both are read again when they are next needed. Call it after the change was committed. It has no effect for a
// user id of "".
func (s *Sessions) Invalidate(ctx context.Context, userID string) {
	ViewerFrom(ctx).invalidate(userID)
	if s.recheck == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidations++
	for _, who := range s.cache.Keys() {
		if who.userID == userID {
			s.cache.Remove(who)
		}
	}
}

// load returns the session that who names, or models.ErrNotFound if the user has no such session.
func (s *Sessions) load(ctx context.Context, who identity) (*models.Session, error) {
	if s.recheck == 0 {
		return s.find(ctx, who.sessionID, who.userID)
	}
	session, invalidated := s.cached(who)
	if session != nil {
		return session, nil
	}
	session, err := s.find(ctx, who.sessionID, who.userID)
	if err == nil {
		s.store(session, invalidated)
	}
	return session, err
}

func (s *Sessions) cached(who identity) (session *models.Session, invalidated uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.cache.Get(who); ok && s.now().Before(t.expiresAt) {
		return t.session, s.invalidations
	}
	return nil, s.invalidations
}

// store keeps a session, unless something was invalidated since it was asked for: the answer may be older.
func (s *Sessions) store(session *models.Session, invalidated uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.invalidations == invalidated {
		s.cache.Add(identity{session.ID, session.UserID}, cachedSession{session, s.now().Add(s.recheck)})
	}
}
