package models

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"

	"gorm.io/gorm/schema"
)

// Feature is what one part of a product adds to the database. Package extend makes it of what a product registers.
type Feature struct {
	// Name names the feature's version table, goose_db_version_NAME. It is lower-case letters, digits and single
	// underscores, starts with a letter and has at most 40 characters. A name that is changed is another feature.
	Name string
	// Migrations has the folders mysql and sqlite, or a folder migrations with them, with the same numbered files in both.
	// Numbers start at 1 in every feature. nil: the feature has no tables.
	Migrations fs.FS
	// Tables are the row types whose tables the migrations make.
	Tables []Table
	// UserDeleted runs in the transaction that deletes a user, after the user's row is gone. An error keeps the user.
	// It may run again, in a new transaction, when the database gives the first one up. nil: nothing is to be done.
	UserDeleted func(ctx context.Context, tx *Store, user *User) error
}

const (
	versionTable   = "goose_db_version" // of Fieldgate's own migrations
	versionPrefix  = versionTable + "_" // of a feature's
	maxFeatureName = 40                 // MySQL has room for 64 characters with the prefix
)

var featureNamePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// AddFeatures adds what a product keeps in the database. It is called once, before the first query. It returns an error
// for a feature that cannot be kept apart from another one, or whose migrations are not the same for both dialects.
func (s *Store) AddFeatures(features ...Feature) error {
	owners := map[string]string{}
	for _, t := range ownTables {
		name, err := tableName(t)
		if err != nil {
			return err
		}
		owners[name] = "Fieldgate"
	}
	features = slices.Clone(features)
	for i := range features {
		f := &features[i]
		if err := f.check(owners); err != nil {
			return fmt.Errorf("feature %q: %w", f.Name, err)
		}
		if slices.ContainsFunc(features[:i], func(other Feature) bool { return other.Name == f.Name }) {
			return fmt.Errorf("feature %q: registered twice. Hint: a name stands for one set of migrations", f.Name)
		}
	}
	s.features = features
	return nil
}

// check enters the feature's tables into owners, and finds the folders of its migrations.
func (f *Feature) check(owners map[string]string) error {
	if !featureNamePattern.MatchString(f.Name) || len(f.Name) > maxFeatureName {
		return fmt.Errorf("the name must match %s and have at most %d characters", featureNamePattern, maxFeatureName)
	}
	for _, t := range f.Tables {
		name, err := tableName(t)
		if err != nil {
			return err
		}
		if owner, taken := owners[name]; taken {
			return fmt.Errorf("the table %s belongs to %s. Hint: give the row type another TableName", name, owner)
		}
		if isGooseTable(name) {
			return fmt.Errorf("the table %s: names that begin with goose are for versions of migrations", name)
		}
		owners[name] = fmt.Sprintf("feature %q", f.Name)
	}
	if f.Migrations == nil {
		if len(f.Tables) > 0 {
			return errors.New("has tables and no Migrations. Hint: go test ./internal/product -run TestWriteDrafts -draft")
		}
		return nil
	}
	if _, err := fs.Stat(f.Migrations, "migrations"); err == nil {
		if f.Migrations, err = fs.Sub(f.Migrations, "migrations"); err != nil {
			return err
		}
	}
	return checkFolders(f.Migrations)
}

// checkFolders compares the folders of the dialects, and reads each file once.
func checkFolders(folders fs.FS) error {
	var names [2][]string
	for i, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
		steps, err := readSteps(folders, d)
		if err != nil {
			return err
		}
		if len(steps) == 0 {
			return fmt.Errorf("Migrations has no folder %s with numbered .sql files. Hint: //go:embed migrations, with migrations/mysql and migrations/sqlite", d.name())
		}
		for j, st := range steps {
			if j > 0 && steps[j-1].number == st.number {
				return fmt.Errorf("migrations: %s/%s and %s have one number", d.name(), steps[j-1].name, st.name)
			}
			names[i] = append(names[i], st.name)
		}
	}
	if !slices.Equal(names[0], names[1]) {
		return fmt.Errorf("migrations: sqlite has %q, and mysql has %q", names[0], names[1])
	}
	return nil
}

func tableName(t Table) (string, error) {
	parsed, err := schema.Parse(t.Row, new(sync.Map), schema.NamingStrategy{})
	if err != nil {
		return "", fmt.Errorf("the row type %T: %w", t.Row, err)
	}
	return parsed.Table, nil
}

// migrationSet are numbered steps with a version table of their own: Fieldgate's, or those of a feature.
type migrationSet struct {
	feature string // "" is Fieldgate
	folders fs.FS  // one a dialect
}

// migrationSet lists Fieldgate's own steps first: those of features may need its tables.
func (s *Store) migrationSets() []migrationSet {
	list := []migrationSet{{"", s.folders}}
	for _, f := range s.features {
		if f.Migrations != nil {
			list = append(list, migrationSet{f.Name, f.Migrations})
		}
	}
	return list
}

func (v migrationSet) table() string {
	if v.feature == "" {
		return versionTable
	}
	return versionPrefix + v.feature
}

// title is a step's name with the feature before it.
func (v migrationSet) title(name string) string {
	if v.feature == "" {
		return name
	}
	return v.feature + "/" + name
}

// runUserDeletedHooks tells the features of a deleted user.
func (s *Store) runUserDeletedHooks(ctx context.Context, u *User) error {
	for _, f := range s.features {
		if f.UserDeleted == nil {
			continue
		}
		if err := f.UserDeleted(ctx, s, u); err != nil {
			return fmt.Errorf("feature %q: UserDeleted: %w", f.Name, err)
		}
	}
	return nil
}

// removedFeatures returns the names of features whose version tables are among the tables, and that this program does not have.
func (s *Store) removedFeatures(versionTables []string) (names []string) {
	for _, table := range versionTables {
		name, ok := strings.CutPrefix(table, versionPrefix)
		if ok && !slices.ContainsFunc(s.features, func(f Feature) bool { return f.Name == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
