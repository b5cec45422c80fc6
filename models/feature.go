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

// Feature is the part of a product that is stored in the database. Package extend builds it from
// the product's registration.
type Feature struct {
	// Name is part of the name of the feature's version table, goose_db_version_NAME. It consists
	// of lower-case letters, digits and single underscores, starts with a letter, and has at most
	// 40 characters. A changed name makes another feature.
	Name string
	// Migrations contains the folders mysql and sqlite, at the top or in a folder migrations, with
	// the same numbered files in both. The numbers start at 1 in every feature. nil means no
	// tables.
	Migrations fs.FS
	// Tables are the row types whose tables the migrations create.
	Tables []Table
	// UserDeleted runs in the transaction that deletes a user, after the user's row is deleted. An
	// error keeps the user. UserDeleted runs again if the database aborts the transaction. nil does
	// nothing.
	UserDeleted func(ctx context.Context, tx *Store, user *User) error
}

const (
	versionTable   = "goose_db_version" // of Fieldgate's own migrations
	versionPrefix  = versionTable + "_" // of features
	maxFeatureName = 40                 // MySQL allows 64 characters including the prefix
)

var featureNamePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// AddFeatures registers the features of a product. Call it once, before the first query. It returns
// an error if the name or a table of a feature is invalid or taken, or if the migrations differ
// between the dialects.
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
			return fmt.Errorf("feature %q: registered twice. Hint: each feature needs a name of its own", f.Name)
		}
	}
	s.features = features
	return nil
}

// check records the feature's tables in owners, and sets Migrations to the folder with the
// dialects.
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
			return fmt.Errorf("the table %s: names that begin with goose are reserved for migration versions", name)
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

// checkFolders compares the folders of the dialects, and parses each file.
func checkFolders(folders fs.FS) error {
	var names [2][]string
	for i, d := range []dialect{sqliteDialect{}, mysqlDialect{}} {
		steps, err := readSteps(folders, d)
		if err != nil {
			return err
		}
		if len(steps) == 0 {
			return fmt.Errorf("Migrations has no directory %s with numbered .sql files. Hint: //go:embed migrations, with migrations/mysql and migrations/sqlite", d.name())
		}
		for j, st := range steps {
			if j > 0 && steps[j-1].number == st.number {
				return fmt.Errorf("migrations: %s/%s and %s have the same number", d.name(), steps[j-1].name, st.name)
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

// migrationSet is a series of numbered steps with its own version table: Fieldgate's, or a
// feature's.
type migrationSet struct {
	feature string // "" for Fieldgate
	folders fs.FS  // one folder per dialect
}

// migrationSets returns Fieldgate's own steps first, because the steps of features may need its
// tables.
func (s *Store) migrationSets() []migrationSet {
	list := []migrationSet{{"", s.folders}}
	for _, f := range s.features {
		if f.Migrations != nil {
			list = append(list, migrationSet{f.Name, f.Migrations})
		}
	}
	return list
}

func (set migrationSet) table() string {
	if set.feature == "" {
		return versionTable
	}
	return versionPrefix + set.feature
}

// title returns a step's name, prefixed with the feature.
func (set migrationSet) title(name string) string {
	if set.feature == "" {
		return name
	}
	return set.feature + "/" + name
}

// runUserDeletedHooks calls UserDeleted of every feature.
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

// removedFeatures returns the names of features that have a version table and that this program
// lacks.
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
