package models

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// Group is the state of a MySQL Group Replication group, as one member reports it.
type Group struct {
	// Unreadable is the error of reading the members, usually a missing privilege; Role, State and
	// Members are then empty.
	Unreadable string

	Role  string // of this member: PRIMARY or SECONDARY; "" if it has left the group
	State string // of this member: ONLINE, RECOVERING, OFFLINE or ERROR
	// Members is the number of members in each state, this one included, as this one sees it.
	Members map[string]int

	ExpelTimeout time.Duration // group_replication_member_expel_timeout
	// UnreachableMajority is group_replication_unreachable_majority_timeout; 0 waits without end.
	UnreachableMajority time.Duration
	Consistency         string // group_replication_consistency
	HasSinglePrimary    bool   // group_replication_single_primary_mode
}

// Size returns the number of members.
func (g *Group) Size() (n int) {
	for _, count := range g.Members {
		n += count
	}
	return n
}

// HasQuorum reports whether this member reaches more than half of the group.
func (g *Group) HasQuorum() bool { return 2*g.Members[memberUnreachable] < g.Size() }

const memberUnreachable = "UNREACHABLE"

// inspectGroup returns nil if no group is configured. Servers other than MySQL have no such
// variables.
func inspectGroup(ctx context.Context, pool *sql.DB) (*Group, error) {
	variables := map[string]string{}
	if err := queryPairs(ctx, pool, `SHOW GLOBAL VARIABLES LIKE 'group\_replication\_%'`, variables); err != nil {
		return nil, err
	}
	if variables["group_replication_group_name"] == "" {
		return nil, nil
	}
	g := &Group{
		ExpelTimeout:        secondsOf(variables["group_replication_member_expel_timeout"]),
		UnreachableMajority: secondsOf(variables["group_replication_unreachable_majority_timeout"]),
		Consistency:         variables["group_replication_consistency"],
		HasSinglePrimary:    variables["group_replication_single_primary_mode"] == "ON",
	}
	return g, g.readMembers(ctx, pool)
}

func (g *Group) readMembers(ctx context.Context, pool *sql.DB) (err error) {
	rows, err := pool.QueryContext(ctx, `SELECT MEMBER_ID = @@global.server_uuid, MEMBER_STATE, MEMBER_ROLE FROM performance_schema.replication_group_members`)
	// The privilege or the table is missing.
	if e, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		g.Unreadable = e.Error()
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	g.Members = map[string]int{}
	for rows.Next() {
		var self bool
		var state, role string
		if err := rows.Scan(&self, &state, &role); err != nil {
			return err
		}
		if self {
			g.State, g.Role = state, role
		}
		g.Members[state]++
	}
	return rows.Err()
}

func secondsOf(text string) time.Duration {
	n, _ := strconv.Atoi(text) // the server has no other values
	return time.Duration(n) * time.Second
}
