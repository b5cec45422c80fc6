package models

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"
)

// maxPrepared bounds the number of prepared statements that are kept. The store uses a few dozen,
// since values are parameters. Further statements are prepared for one use.
const maxPrepared = 256

// preparedPool is a pool that keeps statements prepared. GORM's own (PrepareStmt) has two faults.
// While a statement is being prepared, all users of it wait: with one connection, a transaction
// waits for a statement that waits for the transaction's connection. And if the client that
// prepares it disconnects, the others get its "context canceled".
type preparedPool struct {
	*sql.DB
	statements sync.Map // by text: *sql.Stmt
	kept       atomic.Int64
}

var (
	_ gorm.ConnPool         = (*preparedPool)(nil)
	_ gorm.ConnPoolBeginner = (*preparedPool)(nil)
	_ gorm.ConnPool         = (*preparedTx)(nil)
	_ gorm.TxCommitter      = (*preparedTx)(nil)
)

// statement returns nil if the text must be run unprepared.
func (p *preparedPool) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if s := p.prepared(text); s != nil || p.kept.Load() >= maxPrepared {
		return s, nil
	}
	s, err := p.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if first, there := p.statements.LoadOrStore(text, s); there {
		return first.(*sql.Stmt), s.Close()
	}
	p.kept.Add(1)
	return s, nil
}

func (p *preparedPool) prepared(text string) *sql.Stmt {
	s, _ := p.statements.Load(text)
	statement, _ := s.(*sql.Stmt)
	return statement
}

// ExecContext implements gorm.ConnPool.
func (p *preparedPool) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return p.DB.ExecContext(ctx, text, args...)
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext implements gorm.ConnPool.
func (p *preparedPool) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return p.DB.QueryContext(ctx, text, args...)
	}
	return s.QueryContext(ctx, args...)
}

// BeginTx implements gorm.ConnPoolBeginner.
func (p *preparedPool) BeginTx(ctx context.Context, o *sql.TxOptions) (gorm.ConnPool, error) {
	tx, err := p.DB.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &preparedTx{tx, p}, nil
}

// preparedTx is a transaction that uses the prepared statements of the pool. It prepares no
// statements for the pool, because that would need a second connection.
type preparedTx struct {
	*sql.Tx
	pool *preparedPool
}

// ExecContext implements gorm.ConnPool.
func (t *preparedTx) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	if s := t.pool.prepared(text); s != nil {
		return t.StmtContext(ctx, s).ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, text, args...)
}

// QueryContext implements gorm.ConnPool.
func (t *preparedTx) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if s := t.pool.prepared(text); s != nil {
		return t.StmtContext(ctx, s).QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, text, args...)
}
