package dbtest

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Lookup is a statement that cannot name the user whose rows it reads. A database sharded by user
// needs a lookup table for it, or queries every shard.
type Lookup struct {
	Name      string
	Statement *regexp.Regexp // matches the text from the table's name on
}

// Lookups are the only statements on user tables without a condition on user_id. docs/sharding.md
// says what each needs on a sharded database.
var Lookups = []Lookup{
	{"refresh token", regexp.MustCompile(`^sessions INNER JOIN users ON users\.id = sessions\.user_id WHERE sessions\.(refresh|parent)_hash = \?$`)},
	{"spent refresh token", regexp.MustCompile(`^sessions INNER JOIN users ON users\.id = sessions\.user_id` +
		` WHERE sessions\.id = \(SELECT session_id FROM spent_tokens WHERE hash = \?\)$`)},
	{"spent refresh token, inside the statement above", regexp.MustCompile(`^spent_tokens WHERE hash = \?\)$`)},
	// The row has no user_id.
	{"new spent refresh token", regexp.MustCompile(`^spent_tokens \(hash,session_id,expires_at\) VALUES `)},
	{"mail link", regexp.MustCompile(`^tickets WHERE hash = \? LIMIT [?\d]+$`)},
	{"registration of a mail link, older than the account if the address was reserved", regexp.MustCompile(`^pending_registrations WHERE id = \? LIMIT [?\d]+$`)},
	{"link of a mail whose address went to another account", regexp.MustCompile(`^tickets WHERE id = \? AND user_id <> \?$`)},
	{"reservation of an address", regexp.MustCompile(`^tickets WHERE email_key = \? AND slot IS NULL AND user_id <> \? AND expires_at > \?( |$)`)},
	{"reservations of a demo's addresses", regexp.MustCompile(`^tickets WHERE email_key = \?$`)},
	{"trusted place of an e-mail address", regexp.MustCompile(`^trusted_places JOIN users ON users\.id = trusted_places\.user_id WHERE \(?users\.email_key = \? AND `)},
	{"sweep", regexp.MustCompile(`^(sessions|tickets|trusted_places|pending_registrations|spent_tokens) WHERE expires_at <= \? LIMIT [?\d]+$`)},
	{"sweep of spent refresh tokens", regexp.MustCompile(`^spent_tokens WHERE hash IN \(\?\) AND expires_at <= \?$`)},
}

var (
	placeholders = regexp.MustCompile(`\(\?(, ?\?)*\)`)
	userTable    = regexp.MustCompile(`\b(FROM|JOIN|INTO|UPDATE) ((sessions|tickets|trusted_places|pending_registrations|spent_tokens)\b.*)`)
	columnList   = regexp.MustCompile(`^\w+ \(([\w,]+)\)`)
	// userCondition also accepts the rows of a user in a subquery of a statement on users: they are
	// on that user's shard.
	userCondition = regexp.MustCompile(`^(\(*)(\w+\.)?user_id (= \?|= users\.id\b|IN \(\?\))`)
	// assignsKey matches an upsert that assigns a key, which GORM writes for DoNothing. Vitess
	// rejects it.
	assignsKey = regexp.MustCompile(`ON DUPLICATE KEY UPDATE (.*,)?(id|name|hash)=`)
)

// CheckStatement returns an error for a statement, without its values, that a database sharded by
// user could not run, or only on every shard. That is a statement on a user table without a user_id
// that is not in Lookups, or an upsert that assigns a key.
func CheckStatement(statement string) error {
	text := placeholders.ReplaceAllString(strings.ReplaceAll(statement, "`", ""), "(?)")
	if assignsKey.MatchString(text) {
		return fmt.Errorf("assigns a key in ON DUPLICATE KEY UPDATE: %s", statement)
	}
	for rest := text; ; {
		found := userTable.FindStringSubmatch(rest)
		if found == nil {
			return nil
		}
		if err := checkUserCondition(found[1], found[2]); err != nil {
			return fmt.Errorf("%w: %s", err, statement)
		}
		rest = found[2]
	}
}

// checkUserCondition checks the text from the name of a user table on. word precedes the name.
func checkUserCondition(word, text string) error {
	for _, lookup := range Lookups {
		if lookup.Statement.MatchString(text) {
			return nil
		}
	}
	if word == "INTO" {
		columns := columnList.FindStringSubmatch(text)
		if columns == nil || !strings.Contains(","+columns[1]+",", ",user_id,") {
			return errors.New("inserts no user_id")
		}
		return nil
	}
	_, condition, _ := strings.Cut(text, " WHERE ")
	user := userCondition.FindStringSubmatch(condition)
	if user == nil {
		return errors.New("WHERE does not begin with user_id")
	}
	if hasAlternative(condition[len(user[0]):], len(user[1])) {
		return errors.New("OR beside user_id")
	}
	return nil
}

// hasAlternative reports whether an OR stands beside a condition nested in depth parentheses.
func hasAlternative(rest string, depth int) bool {
	level := depth
	for i := range rest {
		switch {
		case rest[i] == '(':
			level++
		case rest[i] == ')':
			level--
			depth = min(depth, level)
		case level <= depth && strings.HasPrefix(rest[i:], " OR "):
			return true
		}
		if level < 0 {
			return false // the end of a subquery
		}
	}
	return false
}
