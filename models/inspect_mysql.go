package models

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"
)

func (d mysqlDialect) inspect(ctx context.Context, pool *sql.DB, e *Inspection, _ bool) error {
	if err := inspectServer(ctx, pool, e); err != nil {
		return err
	}
	cluster, err := inspectCluster(ctx, pool)
	if err != nil {
		return err
	}
	e.Cluster = cluster
	if e.Group, err = inspectGroup(ctx, pool); err != nil {
		return err
	}
	for _, q := range mysqlIssueQueries {
		issues, err := q.run(ctx, pool)
		if err != nil {
			return err
		}
		e.Issues = append(e.Issues, issues...)
	}
	return nil
}

func inspectServer(ctx context.Context, pool *sql.DB, e *Inspection) error {
	var now, modes string
	begin := time.Now()
	err := pool.QueryRowContext(ctx, "SELECT VERSION(), DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%d %H:%i:%s.%f'), @@session.time_zone, @@session.sql_mode, @@global.max_connections").
		Scan(&e.Version, &now, &e.TimeZone, &modes, &e.MaxConnections)
	if err != nil {
		return err
	}
	took := time.Since(begin)
	serverTime, err := time.Parse("2006-01-02 15:04:05.000000", now)
	if err != nil {
		return err
	}
	e.ClockAhead = serverTime.Sub(begin.Add(took / 2))
	e.Strict = strings.Contains(modes, "STRICT_TRANS_TABLES")
	e.Product = "MySQL"
	if version, ok := cutFold(e.Version, "-mariadb"); ok {
		// A prefix for old clients.
		e.Product, e.Version = "MariaDB", strings.TrimPrefix(version, "5.5.5-")
	}
	return nil
}

// cutFold returns the text before part, which is in lower case, and ignores case.
func cutFold(text, part string) (before string, ok bool) {
	i := strings.Index(strings.ToLower(text), part)
	if i < 0 {
		return text, false
	}
	return text[:i], true
}

// inspectCluster returns nil if the server is not a Galera node.
func inspectCluster(ctx context.Context, pool *sql.DB) (*Cluster, error) {
	values := map[string]string{}
	for _, query := range []string{"SHOW GLOBAL STATUS LIKE 'wsrep\\_%'", "SHOW GLOBAL VARIABLES LIKE 'wsrep\\_%'"} {
		if err := queryPairs(ctx, pool, query, values); err != nil {
			return nil, err
		}
	}
	if !strings.EqualFold(values["wsrep_on"], "ON") {
		return nil, nil
	}
	size, _ := strconv.Atoi(values["wsrep_cluster_size"])
	isReady := strings.EqualFold(values["wsrep_ready"], "ON")
	return &Cluster{Ready: isReady, Status: values["wsrep_cluster_status"], Size: size}, nil
}

// queryPairs stores the rows of a query with two columns in a map. It lower-cases the keys.
func queryPairs(ctx context.Context, pool *sql.DB, query string, into map[string]string) (err error) {
	rows, err := pool.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		into[strings.ToLower(name)] = value
	}
	return rows.Err()
}

// issueQuery finds issues of one kind. Its columns are Object and Actual.
type issueQuery struct {
	kind     SchemaIssueKind
	expected string
	query    string
}

var mysqlIssueQueries = []issueQuery{
	{IssueEngine, "InnoDB", `SELECT table_name, COALESCE(engine, 'none') FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB' ORDER BY table_name`},
	// A join instead of NOT EXISTS: Vitess cannot plan a subquery of information_schema that refers
	// to the outer query.
	{IssuePrimaryKey, "a primary key", `SELECT t.table_name, 'none' FROM information_schema.tables t LEFT JOIN information_schema.statistics i
		ON i.table_schema = t.table_schema AND i.table_name = t.table_name AND i.index_name = 'PRIMARY'
		WHERE t.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' AND i.index_name IS NULL ORDER BY t.table_name`},
	{IssueCollation, "utf8mb4_bin", `SELECT table_name, table_collation FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name NOT LIKE 'goose%' AND table_collation <> 'utf8mb4_bin' ORDER BY table_name`},
	{IssueCollation, "ascii_bin or utf8mb4_bin", `SELECT CONCAT(table_name, '.', column_name), collation_name FROM information_schema.columns
		WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%' AND collation_name NOT IN ('ascii_bin', 'utf8mb4_bin')
		ORDER BY table_name, ordinal_position`},
}

func (q issueQuery) run(ctx context.Context, pool *sql.DB) (issues []SchemaIssue, err error) {
	rows, err := pool.QueryContext(ctx, q.query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		issue := SchemaIssue{Kind: q.kind, Expected: q.expected}
		if err := rows.Scan(&issue.Object, &issue.Actual); err != nil {
			return nil, err
		}
		issues = append(issues, issue)
	}
	return issues, rows.Err()
}

// structure excludes indexes over expressions.
func (mysqlDialect) structure(ctx context.Context, pool *sql.DB) (structure, error) {
	return readStructure(ctx, pool,
		`SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()`,
		`SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns WHERE table_schema = DATABASE()`,
		`SELECT CONCAT(MIN(table_name), '(', GROUP_CONCAT(column_name ORDER BY seq_in_index), ')', IF(MIN(non_unique), '', ' unique'))
			FROM information_schema.statistics WHERE table_schema = DATABASE() GROUP BY table_name, index_name
			HAVING COUNT(*) = COUNT(column_name)`)
}
