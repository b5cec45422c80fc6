package schematest_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"fieldgate/internal/dbtest"
	"fieldgate/internal/schematest"
	"fieldgate/models"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

type state string

// ware has the field types that rows of a product can have.
type ware struct {
	ID       string `gorm:"primaryKey"`
	Title    string `gorm:"size:100"`
	State    state  `gorm:"size:10"`
	Count    int32
	Stock    *int
	Sold     uint
	Weight   float64
	Price    *float32
	Raw      []byte `gorm:"size:20"`
	Active   bool
	Note     sql.NullString
	Number   sql.NullInt64
	At       sql.Null[time.Time]
	Deleted  gorm.DeletedAt
	Made     time.Time
	Labels   map[string]string `gorm:"serializer:json"`
	Supplier *models.User      `gorm:"foreignKey:ID"`
}

// orderLine has a composite primary key.
type orderLine struct {
	OrderID string `gorm:"primaryKey"`
	WareID  string `gorm:"primaryKey"`
	Amount  int
}

// autoIncremented has a primary key that the database assigns.
type autoIncremented struct {
	ID   uint
	Name string
}

func TestMigrationStoresEveryFieldType(t *testing.T) {
	t.Parallel()
	tables := []schematest.Table{{Row: &ware{}, Indexes: []string{"title,id", "state"}}, {Row: &orderLine{}, Indexes: []string{"ware_id"}}, {Row: &autoIncremented{}}}
	dbtest.Each(t, func(t *testing.T, databaseURL string) {
		store, err := models.Open(databaseURL, models.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		db := store.DB(t.Context())
		for _, table := range tables {
			up, _, _ := strings.Cut(table.Migration(t, db.Name() == "mysql"), "-- +goose Down")
			for statement := range strings.SplitSeq(strings.TrimSpace(strings.TrimPrefix(up, "-- +goose Up\n")), ";\n") {
				if err := db.Exec(statement).Error; err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
		}
		schematest.Compare(t, db, tables)
		written := &ware{ID: models.NewID(), State: "ON", Count: 3, Weight: 1.5, Raw: []byte{1}, Labels: map[string]string{"a": "b"}, Made: time.Now().UTC()}
		first := &autoIncremented{Name: "first"}
		for _, row := range []any{written, first, &orderLine{OrderID: models.NewID(), WareID: written.ID, Amount: 2}} {
			if err := db.Create(row).Error; err != nil {
				t.Error(err)
			}
		}
		if first.ID == 0 {
			t.Error("the database assigned no id")
		}
		var read ware
		if err := db.Take(&read).Error; err != nil || read.State != "ON" || read.Count != 3 || read.Weight != 1.5 || read.Labels["a"] != "b" || read.Note.Valid {
			t.Errorf("%+v, %v", read, err)
		}
	})
}

// errorRecorder records the errors of Compare, and does not fail the test.
type errorRecorder struct {
	testing.TB
	messages []string
}

func (f *errorRecorder) Errorf(format string, _ ...any) { f.messages = append(f.messages, format) }

func TestCompareReportsColumnMismatch(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, column string }{
		{"a text column for an integer", "count TEXT NOT NULL"},
		{"a nullable column", "count BIGINT NULL"},
		{"a column with another name", "number BIGINT NOT NULL"},
		{"an additional column", "count BIGINT NOT NULL, more BIGINT NULL"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, databaseURL string) {
				type tally struct {
					ID    string `gorm:"primaryKey"`
					Count int32
				}
				store, err := models.Open(databaseURL, models.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				db := store.DB(t.Context())
				if err := db.Exec("CREATE TABLE tallies (id CHAR(36) NOT NULL, " + row.column + ", PRIMARY KEY (id))").Error; err != nil {
					t.Fatal(err)
				}
				f := &errorRecorder{TB: t}
				if schematest.Compare(f, db, []schematest.Table{{Row: &tally{}}}); len(f.messages) != 1 {
					t.Errorf("reports %q, want one", f.messages)
				}
			})
		})
	}
}
