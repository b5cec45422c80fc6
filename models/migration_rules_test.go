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

// Programs of the version before run on while a step is applied and after it. docs/upgrade.md says how that is done.

// beforeTheFirstRelease are steps that no program ran beside: there was none to run.
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
					t.Errorf("%s needs no exception any more", file)
				}
				continue
			}
			for _, v := range found {
				t.Errorf("models/migrations/%s:%d: %s (docs/upgrade.md)", file, v.line, v.rule)
			}
		}
	}
}

// The steps of features run beside older programs as Fieldgate's own do.
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

// violationsBelow reads every file of a dialect in the folders named migrations, and returns "file:line: rule".
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
		want := []string{"notes/migrations/" + d.name() + "/00002_drop.sql:2: " + takesAway}
		if got := violationsBelow(t, folder, d); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Those that the tests of an upgrade apply as a next version's keep to the rules too.
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

// A step is of one kind on all databases: who is asked whether it may be applied does not ask which.
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
		t.Errorf("sqlite has\n%s\nmysql has\n%s", strings.Join(sqlite, "\n"), strings.Join(mysql, "\n"))
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
		want                     string // contained in the one rule that is broken; "" is none
	}{
		{"a new table", "", "CREATE TABLE pets (id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE);", ""},
		{"a new table with an index on it", "", "CREATE TABLE pets (id BIGINT);\nCREATE UNIQUE INDEX pets_id ON pets (id);", ""},
		{"a first row of a new table", "", "CREATE TABLE IF NOT EXISTS pets (id BIGINT);\nINSERT INTO pets (id) VALUES (1);", ""},
		{"a new column that may be NULL", "", "ALTER TABLE users ADD COLUMN nickname VARCHAR(100) NULL" + online + ";", ""},
		{"a new column with a default", "", "ALTER TABLE users ADD points DECIMAL(10, 2) NOT NULL DEFAULT 0" + online + ";", ""},
		{"a new index", "", "ALTER TABLE users ADD KEY users_points (points, id)" + online + ";", ""},
		{"a new index by itself", "", "CREATE INDEX users_points ON users (points) ALGORITHM=INPLACE LOCK=NONE;", ""},
		{"another default", "", "ALTER TABLE users ALTER COLUMN points SET DEFAULT 1, ALGORITHM=INSTANT;", ""},
		{"a wider column that says so", "-- widens: users.name\n", "ALTER TABLE users MODIFY name VARCHAR(200) NOT NULL" + online + ";", ""},
		{"what is only in a comment", "", "-- DROP TABLE users;\nCREATE TABLE pets (id BIGINT); /* DROP TABLE users; */", ""},
		{"what is only in a text", "", "INSERT INTO turns (name, number) VALUES ('it''s; a DROP TABLE users', 0);", ""},
		{"a statement that is made of texts", "", "SET @x = IF(EXISTS (SELECT 1 FROM information_schema.columns), 'DO 0',\n'ALTER TABLE users ADD nickname TEXT" + online + "');\nPREPARE x FROM @x;\nEXECUTE x;\nDEALLOCATE PREPARE x;", ""},
		{"rows filled in batches", backfill, "UPDATE users SET nickname = name WHERE nickname IS NULL LIMIT 500;", ""},
		{"a contract that drops", contract, "ALTER TABLE users DROP COLUMN nickname, ALGORITHM=INSTANT;", ""},
		{"a contract that makes unique", contract, "CREATE UNIQUE INDEX users_nickname ON users (nickname) ALGORITHM=INPLACE LOCK=NONE;", ""},
		{"a contract that deletes", contract, "DELETE FROM limits;", ""},

		{"a table dropped", "", "DROP TABLE limits;", "takes away"},
		{"a table emptied", "", "TRUNCATE TABLE limits;", "takes away"},
		{"rows deleted", "", "DELETE FROM limits;", "takes away"},
		{"rows replaced", "", "REPLACE INTO limits VALUES (1, 2);", "takes away"},
		{"a column dropped", "", "ALTER TABLE users DROP COLUMN name" + online + ";", "takes away"},
		{"a column dropped behind one added", "", "ALTER TABLE users ADD x INT NULL, DROP name" + online + ";", "takes away"},
		{"an index dropped, which a statement may name", "", "DROP INDEX users_by_name ON users;", "takes away"},
		{"an index dropped with its table's name", "", "alter table users drop key users_by_name" + online + ";", "takes away"},
		{"a table renamed", "", "ALTER TABLE users RENAME TO people" + online + ";", "renames"},
		{"a table renamed by itself", "", "RENAME TABLE users TO people;", "renames"},
		{"a column renamed", "", "ALTER TABLE users RENAME COLUMN name TO title" + online + ";", "renames"},
		{"a column changed", "", "ALTER TABLE users CHANGE name title TEXT" + online + ";", "renames"},
		{"a column of another type", "", "ALTER TABLE users MODIFY name VARCHAR(50) NOT NULL" + online + ";", "narrows"},
		{"a column widened besides another", "-- widens: users.name\n", "ALTER TABLE users MODIFY email VARCHAR(300)" + online + ";", "narrows"},
		{"a column without a default", "", "ALTER TABLE users ADD COLUMN nickname VARCHAR(100) NOT NULL" + online + ";", "without a default"},
		{"columns in brackets without a default", "", "ALTER TABLE users ADD (a INT NOT NULL DEFAULT 1, b INT NOT NULL)" + online + ";", "without a default"},
		{"a default that is taken away", "", "ALTER TABLE users ALTER points DROP DEFAULT" + online + ";", "narrows"},
		{"a unique index on rows that are there", "", "CREATE UNIQUE INDEX users_name ON users (name) ALGORITHM=INPLACE LOCK=NONE;", "unique"},
		{"a unique key on rows that are there", "", "ALTER TABLE users ADD UNIQUE KEY (name)" + online + ";", "unique"},
		{"a unique column", "", "ALTER TABLE users ADD nickname VARCHAR(100) NULL UNIQUE" + online + ";", "unique"},
		{"a foreign key", "", "ALTER TABLE sessions ADD CONSTRAINT x FOREIGN KEY (user_id) REFERENCES users (id)" + online + ";", "refuses rows"},
		{"a check", "", "ALTER TABLE users ADD CHECK (name <> '')" + online + ";", "refuses rows"},
		{"a trigger", "", "CREATE TRIGGER x BEFORE INSERT ON users FOR EACH ROW SET NEW.name = 'x';", "is not known"},
		{"what only MySQL reads", "", "/*!40000 DROP TABLE users */;", "is not known"},
		{"rows filled at once", "", "UPDATE users SET nickname = name;", "in batches"},
		{"a backfill that deletes", backfill, "DELETE FROM limits;", "takes away"},
		{"a table among rows filled in batches", backfill, "CREATE TABLE pets (id BIGINT);", "nothing but UPDATE"},
		{"a drop in a text", "", "SET @x = IF(1, 'DO 0', 'ALTER TABLE users DROP KEY a" + online + "');", "takes away"},
		{"a contract that names no step", "-- contract: nothing reads users.nickname\n", "DROP TABLE limits;", "since NNNNN"},
		{"a contract that fills rows", contract, "UPDATE users SET name = 'x';", "in batches"},
		{"a contract of a step to come", "-- contract: since 00012 nothing reads users.nickname\n", "DROP TABLE limits;", "since NNNNN"},
		{"a contract and a backfill", contract + backfill, "UPDATE users SET name = 'x' WHERE name <> 'x' LIMIT 500;", "one of"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			wantViolation(t, mysqlDialect{}, row.header, row.statements, row.want)
			wantViolation(t, sqliteDialect{}, row.header, row.statements, row.want)
		})
	}
	for _, row := range []struct{ name, header, statements, want string }{
		{"an index that says not how", "", "CREATE INDEX users_points ON users (points);", "ALGORITHM"},
		{"a column that says not how", "", "ALTER TABLE users ADD points INT NULL;", "ALGORITHM"},
		{"a copy of the table", "", "ALTER TABLE users ADD points INT NULL, ALGORITHM=COPY;", "ALGORITHM"},
		{"a lock on the table", "", "ALTER TABLE users ADD points INT NULL, ALGORITHM=INPLACE, LOCK=SHARED;", "ALGORITHM"},
		{"a contract that says not how", contract, "ALTER TABLE users DROP COLUMN nickname;", "ALGORITHM"},
		{"a contract that copies, which it says", contract, "ALTER TABLE users DROP COLUMN nickname, ALGORITHM=COPY;", ""},
		{"an index on a table that is new", "", "CREATE TABLE pets (id BIGINT);\nCREATE INDEX pets_id ON pets (id);", ""},
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
		t.Errorf("%s: %v", d.name(), got)
	case want != "" && (len(got) != 1 || !strings.Contains(got[0].rule, want)):
		t.Errorf("%s: %v, want one of %q", d.name(), got, want)
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
	if want := []violation{{10, takesAway}, {15, takesAway}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// violation is what in a step may disturb a program of the version before.
type violation struct {
	line int
	rule string
}

const inContractStep = `do it in a later step, which begins with "-- contract: since NNNNN nothing reads …"`

// The rules. A contract may break those that end in how to write one.
const (
	takesAway  = "takes away what older programs may use: " + inContractStep
	renames    = "renames what older programs use by its name: add what is new beside it, write both, and " + inContractStep
	narrows    = `narrows a column, if it is not widened ("-- widens: users.name" in front says so): add another one beside it, and ` + inContractStep
	noDefault  = "adds a column that is NOT NULL without a default, so that older programs can insert no row: give it a default, or let it be NULL"
	unique     = "makes unique what older programs may write twice, or have: when no program does any more, " + inContractStep
	constrains = "refuses rows that older programs may write, or have written: " + inContractStep
	atOnce     = `fills rows at once, and others wait for all of them: do it in batches, in a step of its own that begins with "-- backfill"`
	onlyUpdate = "a backfill has nothing but UPDATE, whose condition is no longer true of what it has changed"
	notOnline  = "does not say that nobody waits for it: ALGORITHM=INSTANT, or ALGORITHM=INPLACE and LOCK=NONE; then a server that cannot do so refuses it"
	unknown    = "is not known to be harmless: teach this test, or " + inContractStep
	badHeader  = `"-- contract: since NNNNN nothing …" names a step before this one: the newest of the first version that does without`
	twoKinds   = "a step is one of contract and backfill"
)

var (
	sincePattern  = regexp.MustCompile(`^since (\d{5}) nothing \S`)
	widensPattern = regexp.MustCompile(`(?m)^-- widens: (\w+\.\w+)$`)
)

// violations are those of a step, which is not much of a parser: what it does not know is one.
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
	created map[string]bool // tables, by this step
	widened map[string]bool // columns, as the header says
	found   []violation
}

// breaks notes a rule that is broken, unless a contract may.
func (c *checker) breaks(line int, rule string) {
	if c.step.contract == "" || rule == notOnline || rule == atOnce {
		c.found = append(c.found, violation{line, rule})
	}
}

// token is a word in capitals, a sign, or a text in quotation marks.
type token struct {
	line int
	text string
}

var tokenPattern = regexp.MustCompile("(?s)--[^\n]*|/\\*[^!].*?\\*/|'(?:[^']|'')*'|`[^`]*`|\"[^\"]*\"|[\\w@.]+|\\S")

// script checks statements, the first of which begins at line.
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

// joinTokens is a part of a statement as one line, with a space before and after each word.
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
		c.breaks(line, takesAway)
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

// online asks of MySQL what to do if others would have to wait. A contract need only say what happens.
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

// split divides at the commas that are in no brackets.
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

// inBrackets makes ADD (a …, b …) into ADD a … and ADD b ….
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

// ruleOf is the rule that one part of an ALTER TABLE breaks.
func (c *checker) ruleOf(table, said string) string {
	starts := func(word string) bool { return strings.HasPrefix(said, " "+word+" ") }
	switch {
	case starts("DROP"):
		return takesAway
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
