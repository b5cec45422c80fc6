package models

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// sessionQuery reads a session joined with its user. Nearly every request runs exactly this query.
// GORM takes longer to build the statement and to scan the row than the database takes to answer.
// So the text is built once from GORM's schema of the two models, and the row is scanned into their
// fields directly.
//
// Outside of a transaction the statement is prepared. This saves the database parsing it, and
// MariaDB describing the columns each time. It also runs without cancellation. For each cancellable
// query, database/sql and the driver start a goroutine that watches the context; waking them took a
// seventh of the processor time of a request. A semaphore with one place per connection replaces
// that: waiting for it can be cancelled. A caller that has a place may still wait until a
// connection is free. The driver's timeouts and the watch bound the query itself.
type sessionQuery struct {
	text          string // up to WHERE
	session, user []*schema.Field
	pool          *preparedPool
	semaphore     chan struct{}
}

func newSessionQuery(db *gorm.DB, pool *sql.DB, connections int) (*sessionQuery, error) {
	sessions, users := &gorm.Statement{DB: db}, &gorm.Statement{DB: db}
	if err := errors.Join(sessions.Parse(&Session{}), users.Parse(&User{})); err != nil {
		return nil, err
	}
	prepared, shared := db.ConnPool.(*preparedPool)
	if !shared {
		prepared = &preparedPool{DB: pool}
	}
	q := &sessionQuery{
		session: columns(sessions.Schema), user: columns(users.Schema),
		pool: prepared, semaphore: make(chan struct{}, connections),
	}
	var names []string
	for _, f := range append(q.session[:len(q.session):len(q.session)], q.user...) {
		names = append(names, sessions.Quote(f.Schema.Table+"."+f.DBName))
	}
	q.text = fmt.Sprintf("SELECT %s FROM %s INNER JOIN %s ON %s = %s WHERE ", strings.Join(names, ", "),
		sessions.Quote("sessions"), sessions.Quote("users"), sessions.Quote("users.id"), sessions.Quote("sessions.user_id"))
	return q, nil
}

func columns(s *schema.Schema) []*schema.Field {
	list := make([]*schema.Field, len(s.DBNames))
	for i, name := range s.DBNames {
		list[i] = s.FieldsByDBName[name]
	}
	return list
}

// find returns the row that matches the condition, which is unique. The error may be
// gorm.ErrRecordNotFound.
func (q *sessionQuery) find(
	ctx context.Context, db *gorm.DB, inTransaction bool, condition string, values []any) (_ *Session, err error,
) {
	begin, text := time.Now(), q.text+condition
	var rows *sql.Rows
	if inTransaction {
		rows, err = db.Statement.ConnPool.QueryContext(ctx, text, values...)
	} else {
		select {
		case q.semaphore <- struct{}{}:
			defer func() { <-q.semaphore }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		rows, err = q.pool.QueryContext(context.WithoutCancel(ctx), text, values...)
	}
	session := &Session{User: &User{}}
	if err == nil {
		err = q.read(ctx, rows, session)
	}
	db.Logger.Trace(ctx, begin, func() (string, int64) { return text, 1 }, err)
	if err != nil {
		return nil, err
	}
	return session, nil
}

func (q *sessionQuery) read(ctx context.Context, rows *sql.Rows, session *Session) error {
	var err error
	if rows.Next() {
		to := make([]any, 0, len(q.session)+len(q.user))
		to = appendFields(ctx, to, q.session, reflect.ValueOf(session).Elem())
		to = appendFields(ctx, to, q.user, reflect.ValueOf(session.User).Elem())
		err = rows.Scan(to...)
	} else {
		err = cmp.Or(rows.Err(), gorm.ErrRecordNotFound)
	}
	return errors.Join(err, rows.Close())
}

// appendFields appends pointers to the fields of a row.
func appendFields(ctx context.Context, to []any, fields []*schema.Field, row reflect.Value) []any {
	for _, f := range fields {
		to = append(to, f.ReflectValueOf(ctx, row).Addr().Interface())
	}
	return to
}
