package models

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"
)

// These tests ensure that programs of the previous version keep running while a step is applied and
// after it. docs/upgrade.md has the rules.

// beforeTheFirstRelease lists steps that are exempt: no released program ran beside them.
var beforeTheFirstRelease = map[int64]string{
	8: "drops two indexes in the one statement that makes theirs",
}

func TestMigrationsAreCompatibleWithPreviousRelease(t *testing.T) {
	t.Parallel()
	for _, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
		files, err := fs.Glob(embeddedMigrations(), d.name()+"/*.sql")
		requireNoError(t, err)
		for i, file := range files {
			text, err := fs.ReadFile(embeddedMigrations(), file)
			requireNoError(t, err)
			found := violations(d, int64(i+1), string(text))
			if beforeTheFirstRelease[int64(i+1)] != "" {
				if len(found) == 0 {
					t.Errorf("%s does not need its exception any more", file)
				}
				continue
			}
			for _, v := range found {
				t.Errorf("models/migrations/%s:%d: %s (docs/upgrade.md)", file, v.line, v.rule)
			}
		}
	}
}

// The steps of features must be compatible with older programs too.
func TestFeatureMigrationsAreCompatibleWithPreviousRelease(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"../app", "../examples"} {
		for _, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
			for _, v := range violationsBelow(t, os.DirFS(folder), d) {
				t.Errorf("%s/%s (docs/upgrade.md)", folder, v)
			}
		}
	}
}

// violationsBelow checks the files of a dialect in all folders named migrations. It returns
// "file:line: rule".
func violationsBelow(t *testing.T, folder fs.FS, d dialect) (list []string) {
	t.Helper()
	requireNoError(t, fs.WalkDir(folder, ".", func(name string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() && (e.Name() == "node_modules" || e.Name() == "testdata") {
			return fs.SkipDir
		}
		if err != nil || e.IsDir() || path.Ext(name) != ".sql" || !strings.HasSuffix("/"+path.Dir(name), "/migrations/"+d.name()) {
			return err
		}
		number, err := goose.NumericComponent(name)
		if err != nil {
			return err
		}
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		for _, v := range violations(d, number, string(text)) {
			list = append(list, fmt.Sprintf("%s:%d: %s", name, v.line, v.rule))
		}
		return nil
	}))
	return list
}

func TestFeatureStepThatDropsColumnIsReported(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	folder := fstest.MapFS{
		"notes/migrations/mysql/00001_notes.sql":     file(createNotes),
		"notes/migrations/mysql/00002_drop.sql":      file(upMark + "ALTER TABLE notes DROP COLUMN slug, ALGORITHM=INSTANT;\n"),
		"notes/migrations/sqlite/00002_drop.sql":     file(upMark + "ALTER TABLE notes DROP COLUMN slug;\n"),
		"notes/testdata/migrations/mysql/1_drop.sql": file(upMark + "DROP TABLE users;\n"),
	}
	for _, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
		want := []string{"notes/migrations/" + d.name() + "/00002_drop.sql:2: " + removes}
		if got := violationsBelow(t, folder, d); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The tests of an upgrade apply these steps as those of a next version.
func TestNextReleaseStepsAreCompatibleWithPreviousRelease(t *testing.T) {
	t.Parallel()
	for _, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
		files, err := filepath.Glob("testdata/next/" + d.name() + "/*.sql")
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for i, file := range files {
			text, err := os.ReadFile(file)
			requireNoError(t, err)
			for _, v := range violations(d, int64(len(schemaSteps(t))+i+1), string(text)) {
				t.Errorf("models/%s:%d: %s", file, v.line, v.rule)
			}
		}
	}
}

// A step has the same kind on all databases, so that it can be applied without knowing the
// database.
func TestDialectsHaveSameStepKinds(t *testing.T) {
	t.Parallel()
	kinds := func(d dialect) (list []string) {
		steps, err := readSteps(embeddedMigrations(), d)
		requireNoError(t, err)
		for _, st := range steps {
			list = append(list, fmt.Sprintf("%s: contract %q, backfill %t", st.name, st.contract, st.backfill != nil))
		}
		return list
	}
	sqlite, mysql := kinds(sqliteDialect{}), kinds(mysqlDialect{})
	if !slices.Equal(sqlite, mysql) {
		t.Errorf("sqlite: got\n%s\nmysql: got\n%s", strings.Join(sqlite, "\n"), strings.Join(mysql, "\n"))
	}
}

func TestMigrationRulesClassifyStatements(t *testing.T) {
	t.Parallel()
	const (
		online   = ", ALGORITHM=INPLACE, LOCK=NONE"
		contract = "-- contract: since 00010 nothing reads users.nickname\n"
		backfill = "-- backfill\n"
	)
	for _, row := range []struct {
		name, header, statements string
		want                     string // part of the one violated rule; "" if there is none
	}{
		{"a new table", "", "CREATE TABLE pets (id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE);", ""},
		{"a new table with an index on it", "", "CREATE TABLE pets (id BIGINT);\nCREATE UNIQUE INDEX pets_id ON pets (id);", ""},
		{"a first row of a new table", "", "CREATE TABLE IF NOT EXISTS pets (id BIGINT);\nINSERT INTO pets (id) VALUES (1);", ""},
		{"a new column that may be NULL", "", "ALTER TABLE users ADD COLUMN nickname VARCHAR(100) NULL" + online + ";", ""},
		{"a new column with a default", "", "ALTER TABLE users ADD points DECIMAL(10, 2) NOT NULL DEFAULT 0" + online + ";", ""},
		{"a new index", "", "ALTER TABLE users ADD KEY users_points (points, id)" + online + ";", ""},
		{"a new index with CREATE INDEX", "", "CREATE INDEX users_points ON users (points) ALGORITHM=INPLACE LOCK=NONE;", ""},
		{"a changed default", "", "ALTER TABLE users ALTER COLUMN points SET DEFAULT 1, ALGORITHM=INSTANT;", ""},
		{"a wider column that is declared", "-- widens: users.name\n", "ALTER TABLE users MODIFY name VARCHAR(200) NOT NULL" + online + ";", ""},
		{"a statement in a comment", "", "-- DROP TABLE users;\nCREATE TABLE pets (id BIGINT); /* DROP TABLE users; */", ""},
		{"a statement in a string", "", "INSERT INTO turns (name, number) VALUES ('it''s; a DROP TABLE users', 0);", ""},
		{"a statement prepared from strings", "", "SET @x = IF(EXISTS (SELECT 1 FROM information_schema.columns), 'DO 0',\n'ALTER TABLE users ADD nickname TEXT" + online + "');\nPREPARE x FROM @x;\nEXECUTE x;\nDEALLOCATE PREPARE x;", ""},
		{"rows updated in batches", backfill, "UPDATE users SET nickname = name WHERE nickname IS NULL LIMIT 500;", ""},
		{"a contract that drops a column", contract, "ALTER TABLE users DROP COLUMN nickname, ALGORITHM=INSTANT;", ""},
		{"a contract that adds a unique index", contract, "CREATE UNIQUE INDEX users_nickname ON users (nickname) ALGORITHM=INPLACE LOCK=NONE;", ""},
		{"a contract that deletes rows", contract, "DELETE FROM limits;", ""},

		{"a table dropped", "", "DROP TABLE limits;", "removes"},
		{"a table emptied", "", "TRUNCATE TABLE limits;", "removes"},
		{"rows deleted", "", "DELETE FROM limits;", "removes"},
		{"rows replaced", "", "REPLACE INTO limits VALUES (1, 2);", "removes"},
		{"a column dropped", "", "ALTER TABLE users DROP COLUMN name" + online + ";", "removes"},
		{"a column dropped after one added", "", "ALTER TABLE users ADD x INT NULL, DROP name" + online + ";", "removes"},
		{"a dropped index, which a statement may name", "", "DROP INDEX users_by_name ON users;", "removes"},
		{"a dropped key", "", "alter table users drop key users_by_name" + online + ";", "removes"},
		{"a table renamed", "", "ALTER TABLE users RENAME TO people" + online + ";", "renames"},
		{"a table renamed with RENAME TABLE", "", "RENAME TABLE users TO people;", "renames"},
		{"a column renamed", "", "ALTER TABLE users RENAME COLUMN name TO title" + online + ";", "renames"},
		{"a column changed", "", "ALTER TABLE users CHANGE name title TEXT" + online + ";", "renames"},
		{"a column of another type", "", "ALTER TABLE users MODIFY name VARCHAR(50) NOT NULL" + online + ";", "narrows"},
		{"a widened column that is not the declared one", "-- widens: users.name\n", "ALTER TABLE users MODIFY email VARCHAR(300)" + online + ";", "narrows"},
		{"a column without a default", "", "ALTER TABLE users ADD COLUMN nickname VARCHAR(100) NOT NULL" + online + ";", "without a default"},
		{"columns in brackets without a default", "", "ALTER TABLE users ADD (a INT NOT NULL DEFAULT 1, b INT NOT NULL)" + online + ";", "without a default"},
		{"a dropped default", "", "ALTER TABLE users ALTER points DROP DEFAULT" + online + ";", "narrows"},
		{"a unique index on an existing table", "", "CREATE UNIQUE INDEX users_name ON users (name) ALGORITHM=INPLACE LOCK=NONE;", "unique"},
		{"a unique key on an existing table", "", "ALTER TABLE users ADD UNIQUE KEY (name)" + online + ";", "unique"},
		{"a unique column", "", "ALTER TABLE users ADD nickname VARCHAR(100) NULL UNIQUE" + online + ";", "unique"},
		{"a foreign key", "", "ALTER TABLE sessions ADD CONSTRAINT x FOREIGN KEY (user_id) REFERENCES users (id)" + online + ";", "adds a constraint"},
		{"a check", "", "ALTER TABLE users ADD CHECK (name <> '')" + online + ";", "adds a constraint"},
		{"a trigger", "", "CREATE TRIGGER x BEFORE INSERT ON users FOR EACH ROW SET NEW.name = 'x';", "is not known"},
		{"a statement for MySQL only", "", "/*!40000 DROP TABLE users */;", "is not known"},
		{"rows updated at once", "", "UPDATE users SET nickname = name;", "in batches"},
		{"a backfill that deletes", backfill, "DELETE FROM limits;", "removes"},
		{"a backfill that creates a table", backfill, "CREATE TABLE pets (id BIGINT);", "only UPDATE statements"},
		{"a drop in a string", "", "SET @x = IF(1, 'DO 0', 'ALTER TABLE users DROP KEY a" + online + "');", "removes"},
		{"a contract that names no step", "-- contract: nothing reads users.nickname\n", "DROP TABLE limits;", "since NNNNN"},
		{"a contract that updates rows", contract, "UPDATE users SET name = 'x';", "in batches"},
		{"a contract that names a later step", "-- contract: since 00012 nothing reads users.nickname\n", "DROP TABLE limits;", "since NNNNN"},
		{"a contract and a backfill", contract + backfill, "UPDATE users SET name = 'x' WHERE name <> 'x' LIMIT 500;", "either"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			wantViolation(t, mysqlDialect{}, row.header, row.statements, row.want)
			wantViolation(t, sqliteDialect{}, row.header, row.statements, row.want)
		})
	}
	for _, row := range []struct{ name, header, statements, want string }{
		{"an index without ALGORITHM", "", "CREATE INDEX users_points ON users (points);", "ALGORITHM"},
		{"a column without ALGORITHM", "", "ALTER TABLE users ADD points INT NULL;", "ALGORITHM"},
		{"a copy of the table", "", "ALTER TABLE users ADD points INT NULL, ALGORITHM=COPY;", "ALGORITHM"},
		{"a lock on the table", "", "ALTER TABLE users ADD points INT NULL, ALGORITHM=INPLACE, LOCK=SHARED;", "ALGORITHM"},
		{"a contract without ALGORITHM", contract, "ALTER TABLE users DROP COLUMN nickname;", "ALGORITHM"},
		{"a contract with ALGORITHM=COPY", contract, "ALTER TABLE users DROP COLUMN nickname, ALGORITHM=COPY;", ""},
		{"an index on a new table", "", "CREATE TABLE pets (id BIGINT);\nCREATE INDEX pets_id ON pets (id);", ""},
	} {
		t.Run("MySQL: "+row.name, func(t *testing.T) {
			t.Parallel()
			wantViolation(t, mysqlDialect{}, row.header, row.statements, row.want)
			wantViolation(t, sqliteDialect{}, row.header, row.statements, "")
		})
	}
}

func wantViolation(t *testing.T, d dialect, header, statements, want string) {
	t.Helper()
	text := header + upMark + "\n" + statements + "\n\n" + downMark + "DROP TABLE pets;\n"
	got := violations(d, 11, text)
	switch {
	case want == "" && len(got) > 0:
		t.Errorf("%s: got %v, want none", d.name(), got)
	case want != "" && (len(got) != 1 || !strings.Contains(got[0].rule, want)):
		t.Errorf("%s: got %v, want one with %q", d.name(), got, want)
	}
}

func TestViolationsReportLineNumbers(t *testing.T) {
	t.Parallel()
	text := upMark + `-- It has
CREATE TABLE pets (
  id BIGINT
);
/* some
lines. */
ALTER TABLE users
  ADD a INT NULL,
  DROP b,
  ALGORITHM=INSTANT;
SET @x = IF(TRUE,
  'DO 0',
  'ALTER TABLE users
    DROP c,
    ALGORITHM=INSTANT');
`
	got := violations(mysqlDialect{}, 11, text)
	if want := []violation{{10, removes}, {15, removes}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// violation is a part of a step that may break a program of the previous version.
type violation struct {
	line int
	rule string
}

const inContractStep = `do it in a later step, which begins with "-- contract: since NNNNN nothing reads …"`

// The rules. A contract step may break those that end with inContractStep.
const (
	removes    = "removes what older programs may use: " + inContractStep
	renames    = "renames what older programs use: add the new name beside it, write both, and " + inContractStep
	narrows    = `narrows a column, unless the header declares it wider ("-- widens: users.name"): add another column beside it, and ` + inContractStep
	noDefault  = "adds a NOT NULL column without a default, so that older programs cannot insert rows: add a default, or allow NULL"
	unique     = "makes a column unique, but older programs may write duplicates: when no program does so any more, " + inContractStep
	constrains = "adds a constraint that rows of older programs may violate: " + inContractStep
	atOnce     = `updates all rows at once, so that other transactions wait: do it in batches, in a step of its own that begins with "-- backfill"`
	onlyUpdate = "a backfill contains only UPDATE statements, whose condition is false for the rows that they have changed"
	notOnline  = "does not require an online change: add ALGORITHM=INSTANT, or ALGORITHM=INPLACE and LOCK=NONE, so that a server that cannot do it online rejects it"
	unknown    = "is not known to be compatible: add it to this test, or " + inContractStep
	badHeader  = `"-- contract: since NNNNN nothing …" must name an earlier step: the newest one of the first version that does not use it`
	twoKinds   = "a step is either a contract or a backfill"
)

var (
	sincePattern  = regexp.MustCompile(`^since (\d{5}) nothing \S`)
	widensPattern = regexp.MustCompile(`(?m)^-- widens: (\w+\.\w+)$`)
)

// violations returns the violated rules of a step. It is not a full parser: what it does not know
// is a violation.
func violations(d dialect, number int64, text string) []violation {
	header, body, _ := strings.Cut(text, upMark)
	up, _, _ := strings.Cut(body, downMark)
	st, err := parseStep(fmt.Sprintf("%05d_x.sql", number), text)
	if err != nil {
		return []violation{{1, err.Error()}}
	}
	c := &checker{mysql: d.name() == "mysql", step: st, created: map[string]bool{}, widened: map[string]bool{}}
	for _, found := range widensPattern.FindAllStringSubmatch(header, -1) {
		c.widened[found[1]] = true
	}
	if since := sincePattern.FindStringSubmatch(st.contract); st.contract != "" && (since == nil || since[1] >= st.name[:5]) {
		return []violation{{1, badHeader}}
	}
	if st.contract != "" && st.backfill != nil {
		return []violation{{1, twoKinds}}
	}
	c.script(up, 1+strings.Count(header+upMark, "\n"))
	return c.found
}

type checker struct {
	mysql   bool
	step    step
	created map[string]bool // tables that this step creates
	widened map[string]bool // columns that the header declares as widened
	found   []violation
}

// breaks records a violated rule, unless a contract step may break it.
func (c *checker) breaks(line int, rule string) {
	if c.step.contract == "" || rule == notOnline || rule == atOnce {
		c.found = append(c.found, violation{line, rule})
	}
}

// token is a word in upper case, a sign, or a quoted string.
type token struct {
	line int
	text string
}

var tokenPattern = regexp.MustCompile("(?s)--[^\n]*|/\\*[^!].*?\\*/|'(?:[^']|'')*'|`[^`]*`|\"[^\"]*\"|[\\w@.]+|\\S")

// script checks statements; the text begins at line.
func (c *checker) script(text string, line int) {
	var statement []token
	for _, at := range tokenPattern.FindAllStringIndex(text, -1) {
		word := text[at[0]:at[1]]
		switch {
		case strings.HasPrefix(word, "--"), strings.HasPrefix(word, "/*"):
		case word == ";":
			c.statement(statement)
			statement = nil
		default:
			if word[0] != '\'' {
				word = strings.ToUpper(strings.Trim(word, "`\""))
			}
			statement = append(statement, token{line + strings.Count(text[:at[0]], "\n"), word})
		}
	}
	c.statement(statement)
}

// joinTokens returns the tokens as one line, with a space before and after each word.
func joinTokens(part []token) string {
	words := make([]string, len(part))
	for i, w := range part {
		words[i] = w.text
	}
	return " " + strings.Join(words, " ") + " "
}

func (c *checker) statement(statement []token) {
	if len(statement) == 0 {
		return
	}
	line, said := statement[0].line, joinTokens(statement)
	verb := statement[0].text
	if c.step.backfill != nil && verb != "UPDATE" && verb != "DELETE" {
		c.breaks(line, onlyUpdate)
		return
	}
	switch verb {
	case "DROP", "TRUNCATE", "DELETE", "REPLACE":
		c.breaks(line, removes)
	case "RENAME":
		c.breaks(line, renames)
	case "CREATE":
		c.create(line, said)
	case "ALTER":
		c.alter(statement)
	case "UPDATE":
		if c.step.backfill == nil && !c.created[statement[min(1, len(statement)-1)].text] {
			c.breaks(line, atOnce)
		}
	case "INSERT", "SELECT", "DO", "EXECUTE", "DEALLOCATE":
	case "SET", "PREPARE":
		for _, w := range statement {
			if inner, quoted := strings.CutPrefix(w.text, "'"); quoted && statementPattern.MatchString(inner) {
				c.script(strings.ReplaceAll(strings.TrimSuffix(inner, "'"), "''", "'"), w.line)
			}
		}
	default:
		c.breaks(line, unknown)
	}
}

var (
	statementPattern = regexp.MustCompile(`(?i)^\s*(alter|create|drop|rename|truncate|update|delete|insert|replace)\s`)
	tablePattern     = regexp.MustCompile(`^ CREATE TABLE (?:IF NOT EXISTS )?([\w.]+) `)
	indexPattern     = regexp.MustCompile(`^ CREATE (UNIQUE )?INDEX (?:IF NOT EXISTS )?\S+ ON (\w+) `)
	onlinePattern    = regexp.MustCompile(` ALGORITHM = (?:INSTANT|NOCOPY) | ALGORITHM = INPLACE (?:, )?LOCK = NONE `)
)

func (c *checker) create(line int, said string) {
	if table := tablePattern.FindStringSubmatch(said); table != nil {
		c.created[table[1]] = true
		return
	}
	index := indexPattern.FindStringSubmatch(said)
	switch {
	case index == nil:
		c.breaks(line, unknown)
	case c.created[index[2]]:
	default:
		if index[1] != "" {
			c.breaks(line, unique)
		}
		c.online(line, said)
	}
}

// online checks that the statement makes MySQL reject it if other transactions would have to
// wait. A contract step only needs to name its algorithm.
func (c *checker) online(line int, said string) {
	says := onlinePattern.MatchString(said) || c.step.contract != "" && strings.Contains(said, " ALGORITHM = ")
	if c.mysql && !says {
		c.breaks(line, notOnline)
	}
}

func (c *checker) alter(statement []token) {
	line, said := statement[0].line, joinTokens(statement)
	if len(statement) < 4 || statement[1].text != "TABLE" {
		c.breaks(line, unknown)
		return
	}
	table := statement[2].text
	if c.created[table] {
		return
	}
	for _, part := range split(statement[3:]) {
		for _, column := range inBrackets(part) {
			if rule := c.ruleOf(table, joinTokens(column)); rule != "" {
				c.breaks(column[0].line, rule)
			}
		}
	}
	c.online(line, said)
}

// split divides tokens at the commas outside of parentheses.
func split(list []token) (parts [][]token) {
	depth, begin := 0, 0
	for i, w := range list {
		switch w.text {
		case "(":
			depth++
		case ")":
			depth--
		case ",":
			if depth == 0 {
				parts, begin = append(parts, list[begin:i]), i+1
			}
		}
	}
	return append(parts, list[begin:])
}

// inBrackets turns ADD (a …, b …) into ADD a … and ADD b ….
func inBrackets(part []token) (each [][]token) {
	if !strings.HasPrefix(joinTokens(part), " ADD ( ") && !strings.HasPrefix(joinTokens(part), " ADD COLUMN ( ") {
		return [][]token{part}
	}
	open := slices.IndexFunc(part, func(w token) bool { return w.text == "(" })
	for _, column := range split(part[open+1 : len(part)-1]) {
		each = append(each, append([]token{part[0]}, column...))
	}
	return each
}

var (
	addIndexPattern   = regexp.MustCompile(`^ ADD (?:FULLTEXT |SPATIAL )?(?:INDEX|KEY) `)
	constrainPattern  = regexp.MustCompile(`^ ADD (?:CONSTRAINT|FOREIGN|CHECK|PRIMARY) | (?:REFERENCES|CHECK|PRIMARY|AUTO_INCREMENT) `)
	modifyPattern     = regexp.MustCompile(`^ MODIFY (?:COLUMN )?(\w+) `)
	setDefaultPattern = regexp.MustCompile(`^ ALTER (?:COLUMN )?\w+ SET DEFAULT `)
	algorithmPattern  = regexp.MustCompile(`^ (?:ALGORITHM|LOCK) = \w+ $`)
)

// ruleOf returns the rule that one part of an ALTER TABLE violates.
func (c *checker) ruleOf(table, said string) string {
	starts := func(word string) bool { return strings.HasPrefix(said, " "+word+" ") }
	switch {
	case starts("DROP"):
		return removes
	case starts("RENAME"), starts("CHANGE"):
		return renames
	case starts("MODIFY"), starts("ALTER"):
		column := modifyPattern.FindStringSubmatch(said)
		if setDefaultPattern.MatchString(said) || column != nil && c.widened[strings.ToLower(table+"."+column[1])] {
			return ""
		}
		return narrows
	case algorithmPattern.MatchString(said), addIndexPattern.MatchString(said):
		return ""
	case !starts("ADD"):
		return unknown
	case strings.Contains(said, " UNIQUE "):
		return unique
	case constrainPattern.MatchString(said):
		return constrains
	case strings.Contains(said, " NOT NULL ") && !strings.Contains(said, " DEFAULT "):
		return noDefault
	}
	return ""
}
