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

// sessionQuery reads a session joined with its user. Nearly every request asks just this, and GORM takes longer to put
// the statement together and to take the row apart than the database takes to answer. So the text is written once, from
// what GORM knows of the two models, and the row goes straight into their fields.
//
// Outside of a transaction the statement is prepared, which spares the database reading it, and MariaDB describing the
// columns each time. And there it is not interrupted when the client hangs up. Who can be interrupted is watched: by a
// goroutine of database/sql and another of the driver, for each query, and waking them was a seventh of the processor
// time of a request. So turns are taken, one for each connection, and waiting for one can be given up. Whoever has a turn
// may still wait for those who have all connections; asked, the database answers within the driver's time limits or is
// taken for gone.
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

// advanceBuckets returns the row for which the condition holds; there is one at most. The error may be gorm.ErrRecordNotFound.
func (q *sessionQuery) find(ctx context.Context, db *gorm.DB, inTransaction bool, condition string, values []any) (_ *Session, err error) {
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

// appendFields appends where each of the fields stands in a row of ours.
func appendFields(ctx context.Context, to []any, fields []*schema.Field, row reflect.Value) []any {
	for _, f := range fields {
		to = append(to, f.ReflectValueOf(ctx, row).Addr().Interface())
	}
	return to
}
