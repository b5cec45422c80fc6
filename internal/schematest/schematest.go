// Package schematest compares row types with the tables that migrations create, for the tests of
// package models and of a product's features.
package schematest

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// Table is a row type with the indexes that it needs besides the primary key: "user_id,id" or "hash
// unique".
type Table struct {
	Row     any
	Indexes []string
}

// Column is the part of a column's definition that all dialects share.
type Column struct {
	Kind string // text, int, bool, bytes, time, number, json
	Null bool
}

// custom is the kind of a Go type with its own encoding. It fits any column.
const custom = "custom"

// fits reports whether a column can store a field of a row type.
func (field Column) fits(column Column) bool {
	if field.Kind == custom {
		return true
	}
	kinds := map[string][]string{
		"text": {"text", "json", "number"}, "bytes": {"bytes", "json", "text"}, "int": {"int", "bool"},
		"number": {"number"}, "bool": {"bool"}, "time": {"time"},
	}[field.Kind]
	return field.Null == column.Null && slices.Contains(kinds, column.Kind)
}

// columnsMatch reports whether a table has exactly the columns of a row type.
func columnsMatch(table, row map[string]Column) bool {
	for name, field := range row {
		if column, ok := table[name]; !ok || !field.fits(column) {
			return false
		}
	}
	return len(table) == len(row)
}

// Compare fails the test unless each table matches its row type and its list of indexes.
func Compare(t testing.TB, db *gorm.DB, tables []Table) {
	t.Helper()
	made, indexes := TablesOf(t, db), IndexesOf(t, db)
	for _, table := range tables {
		name := table.Name(t)
		if want := table.Columns(t); made[name] == nil {
			t.Errorf("no migration creates the table %s", name)
			continue
		} else if !columnsMatch(made[name], want) {
			t.Errorf("table %s\nhas  %v\nwant %v", name, made[name], want)
		}
		want, got := table.AllIndexes(t), []string(nil)
		if db.Name() != "mysql" && table.hasRowID(t) {
			want = want[1:] // SQLite has no index for a row id
		}
		for _, index := range indexes {
			if strings.HasPrefix(index, name+"(") {
				got = append(got, index)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("indexes of %s\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// queryAll reads all rows of a query.
func queryAll[T any](t testing.TB, db *gorm.DB, query string) (list []T) {
	t.Helper()
	if err := db.Raw(query).Scan(&list).Error; err != nil {
		t.Fatal(err)
	}
	return list
}

// isNullBytes reports whether a type is the nullable bytes type NullBytes, a struct with its own
// encoding.
func isNullBytes(typ reflect.Type) bool { return typ.Name() == "NullBytes" }

func (table Table) Parse(t testing.TB) *schema.Schema {
	t.Helper()
	parsed, err := schema.Parse(table.Row, new(sync.Map), schema.NamingStrategy{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func (table Table) Name(t testing.TB) string { return table.Parse(t).Table }

func (table Table) Columns(t testing.TB) map[string]Column {
	t.Helper()
	columns := map[string]Column{}
	for _, f := range table.Parse(t).Fields {
		if f.DBName != "" {
			columns[f.DBName] = columnOf(t, f)
		}
	}
	return columns
}

func columnOf(t testing.TB, f *schema.Field) Column {
	t.Helper()
	if f.Serializer != nil {
		return Column{Kind: custom}
	}
	if inner, ok := nullOf(f.FieldType); ok {
		return Column{kindOfGo(t, inner), true}
	}
	return Column{kindOfGo(t, f.IndirectFieldType), f.FieldType.Kind() == reflect.Pointer || isNullBytes(f.FieldType)}
}

// nullOf returns the value type of a nullable struct: one of database/sql, such as sql.NullString,
// or gorm.DeletedAt.
func nullOf(typ reflect.Type) (reflect.Type, bool) {
	if typ == reflect.TypeFor[gorm.DeletedAt]() {
		return reflect.TypeFor[time.Time](), true
	}
	if typ.Kind() != reflect.Struct || typ.PkgPath() != "database/sql" || typ.NumField() != 2 || typ.Field(1).Name != "Valid" {
		return nil, false
	}
	return typ.Field(0).Type, true
}

// primaryKey returns the columns of the primary key. It fails the test if there are none.
func (table Table) primaryKey(t testing.TB) []string {
	t.Helper()
	parsed := table.Parse(t)
	if len(parsed.PrimaryFieldDBNames) == 0 {
		t.Fatalf("the row type %T has no primary key: add to a field the tag `gorm:\"primaryKey\"`", table.Row)
	}
	return parsed.PrimaryFieldDBNames
}

// hasRowID reports whether the primary key is one integer, which SQLite uses as the row id.
func (table Table) hasRowID(t testing.TB) bool {
	t.Helper()
	key := table.primaryKey(t)
	return len(key) == 1 && columnOf(t, table.Parse(t).FieldsByDBName[key[0]]).Kind == "int"
}

// AllIndexes returns the indexes of a table in the form of IndexesOf, the primary key first.
func (table Table) AllIndexes(t testing.TB) []string {
	t.Helper()
	parsed := table.Parse(t)
	list := []string{parsed.Table + "(" + strings.Join(table.primaryKey(t), ",") + ") unique"}
	for _, index := range table.Indexes {
		columns, unique := strings.CutSuffix(index, " unique")
		index = parsed.Table + "(" + columns + ")"
		if unique {
			index += " unique"
		}
		list = append(list, index)
	}
	return list
}

func kindOfGo(t testing.TB, typ reflect.Type) string {
	t.Helper()
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return "time"
	case isNullBytes(typ):
		return "bytes"
	case typ.Implements(reflect.TypeFor[driver.Valuer]()):
		return custom
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Uint8:
		return "bytes"
	case typ.Kind() == reflect.String:
		return "text"
	case typ.Kind() == reflect.Bool:
		return "bool"
	case typ.Kind() >= reflect.Int && typ.Kind() <= reflect.Uint64:
		return "int"
	case typ.Kind() == reflect.Float32, typ.Kind() == reflect.Float64:
		return "number"
	}
	t.Fatalf("a database cannot store a field of type %s: implement Value and Scan, or add the tag `gorm:\"-\"`", typ)
	return ""
}

// kindOfColumn maps column types to kinds. GORM uses "numeric" for a bool in SQLite.
var kindOfColumn = map[string]string{
	"char": "text", "varchar": "text", "tinytext": "text", "text": "text", "mediumtext": "text", "longtext": "text", "enum": "text",
	"smallint": "int", "mediumint": "int", "int": "int", "bigint": "int", "integer": "int",
	"tinyint": "bool", "boolean": "bool", "numeric": "bool",
	"binary": "bytes", "varbinary": "bytes", "tinyblob": "bytes", "blob": "bytes", "mediumblob": "bytes", "longblob": "bytes",
	"datetime": "time", "timestamp": "time", "date": "time",
	"real": "number", "float": "number", "double": "number", "decimal": "number", "json": "json",
}

// TablesOf returns the columns of all tables by name, without goose's tables.
func TablesOf(t testing.TB, db *gorm.DB) map[string]map[string]Column {
	t.Helper()
	query := `SELECT m.name AS table_name, c.name AS column_name, lower(c.type) AS kind, c."notnull" = 0 AS nullable
		FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%'`
	if db.Name() == "mysql" {
		query = `SELECT table_name AS table_name, column_name AS column_name, data_type AS kind, is_nullable = 'YES' AS nullable
			FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%'`
	}
	tables := map[string]map[string]Column{}
	for _, c := range queryAll[struct {
		TableName, ColumnName, Kind string
		Nullable                    bool
	}](t, db, query) {
		kind, _, _ := strings.Cut(c.Kind, "(") // SQLite keeps the length in the type's name
		kind, known := kindOfColumn[strings.TrimSpace(kind)]
		if !known {
			kind = "unknown " + c.Kind
		}
		if tables[c.TableName] == nil {
			tables[c.TableName] = map[string]Column{}
		}
		tables[c.TableName][c.ColumnName] = Column{kind, c.Nullable}
	}
	return tables
}

func Kinds(columns map[string]Column) string {
	var list []string
	for name, c := range columns {
		list = append(list, name+" "+c.Kind)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func IndexesOf(t testing.TB, db *gorm.DB) []string {
	t.Helper()
	query := `SELECT i.tbl || '(' || group_concat(c.name, ',') || ')' || iif(i."unique", ' unique', '')
		FROM (SELECT m.name AS tbl, l.name, l."unique" FROM sqlite_schema m, pragma_index_list(m.name) l
			WHERE m.type = 'table' AND m.name NOT LIKE 'goose%') i, pragma_index_info(i.name) c GROUP BY i.tbl, i.name`
	if db.Name() == "mysql" {
		query = `SELECT CONCAT(MIN(table_name), '(', GROUP_CONCAT(column_name ORDER BY seq_in_index), ')', IF(MIN(non_unique), '', ' unique'))
			FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name NOT LIKE 'goose%'
			GROUP BY table_name, index_name`
	}
	list := queryAll[string](t, db, query)
	slices.Sort(list)
	return list
}

// Migration returns a migration that creates the table.
func (table Table) Migration(t testing.TB, mysql bool) string {
	t.Helper()
	parsed := table.Parse(t)
	create, options := "CREATE TABLE ", ""
	if mysql {
		create, options = "CREATE TABLE IF NOT EXISTS ", " ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	var lines, after []string
	for _, f := range parsed.Fields {
		if f.DBName != "" {
			line := f.DBName + " " + columnType(t, f, mysql) + " " + nullable[columnOf(t, f).Null]
			if mysql && f.PrimaryKey && table.hasRowID(t) {
				line += " AUTO_INCREMENT"
			}
			lines = append(lines, line)
		}
	}
	lines = append(lines, "PRIMARY KEY ("+strings.Join(table.primaryKey(t), ", ")+")")
	for _, index := range table.Indexes {
		columns, unique := strings.CutSuffix(index, " unique")
		kind, name := "", parsed.Table+"_"+strings.ReplaceAll(columns, ",", "_")
		if unique {
			kind = "UNIQUE "
		}
		columns = "(" + strings.ReplaceAll(columns, ",", ", ") + ")"
		if mysql {
			lines = append(lines, kind+"KEY "+name+" "+columns)
		} else {
			after = append(after, "CREATE "+kind+"INDEX "+name+" ON "+parsed.Table+" "+columns+";\n")
		}
	}
	return "-- +goose Up\n" + create + parsed.Table + " (\n  " + strings.Join(lines, ",\n  ") + "\n)" + options + ";\n" +
		strings.Join(after, "") + "\n" + "-- +goose Down\n" + "DROP TABLE " + parsed.Table + ";\n"
}

var nullable = map[bool]string{true: "NULL", false: "NOT NULL"}

// columnType returns the SQL type of a field. It treats columns named id or with the suffix _id as
// ids, and other text as Unicode.
func columnType(t testing.TB, f *schema.Field, mysql bool) string {
	t.Helper()
	kind, size := columnOf(t, f).Kind, cmp.Or(f.Size, 255)
	if kind == custom {
		kind = "text"
	}
	switch {
	case !mysql:
		return map[string]string{"text": "TEXT", "int": "INTEGER", "bool": "BOOLEAN", "bytes": "BLOB", "time": "DATETIME", "number": "REAL"}[kind]
	case kind == "text" && (f.DBName == "id" || strings.HasSuffix(f.DBName, "_id")):
		return "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin"
	case kind == "text":
		return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", size)
	case kind == "bytes":
		return fmt.Sprintf("VARBINARY(%d)", size)
	}
	return map[string]string{"int": "BIGINT", "bool": "BOOLEAN", "time": "DATETIME(3)", "number": "DOUBLE"}[kind]
}
