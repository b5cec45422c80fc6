package models

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm/schema"
)

// namesOfUsers are names that mean a user's id in every table.
var namesOfUsers = []string{"user_id", "actor_id", "owner_id", "author_id"}

// refersToUser reports whether a column holds the id of a user: by its name, by a relation to User, or because OwnerID
// returns it. Other ids, of things of a product, are not deleted with an account.
func refersToUser(t *testing.T, table table, f *schema.Field) bool {
	t.Helper()
	if slices.Contains(namesOfUsers, f.DBName) || strings.HasSuffix(f.DBName, "_user_id") {
		return true
	}
	for _, relation := range table.parse(t).Relationships.Relations {
		for _, reference := range relation.References {
			toUser := !reference.OwnPrimaryKey && relation.FieldSchema.ModelType == reflect.TypeFor[User]()
			if toUser && reference.ForeignKey.DBName == f.DBName {
				return true
			}
		}
	}
	return ownedBy(t, table, f)
}

// ownedBy reports whether OwnerID returns the column.
func ownedBy(t *testing.T, table table, f *schema.Field) bool {
	t.Helper()
	row := reflect.New(reflect.TypeOf(table.row).Elem())
	owned, ok := row.Interface().(interface{ OwnerID() string })
	if !ok || f.DBName == "" || f.PrimaryKey || f.IndirectFieldType.Kind() != reflect.String {
		return false
	}
	noError(t, f.Set(testContext(t), row, "somebody"))
	return owned.OwnerID() == "somebody"
}

// order is a row of a product.
type order struct {
	ID           string `gorm:"primaryKey"`
	UserID       string
	GiftUserID   *string
	BuyerID      string
	Buyer        *User
	ShopkeeperID string
	WarehouseID  string
	OtherID      string
	SessionID    string
}

func (o *order) OwnerID() string { return o.ShopkeeperID }

func TestColumnsThatReferToUsers(t *testing.T) {
	t.Parallel()
	columnsOf := func(table table) map[string]bool {
		found := map[string]bool{}
		for _, f := range table.parse(t).Fields {
			if f.DBName != "" && refersToUser(t, table, f) {
				found[f.DBName] = true
			}
		}
		return found
	}
	want := map[string]bool{"user_id": true, "gift_user_id": true, "buyer_id": true, "shopkeeper_id": true}
	if got := columnsOf(table{&order{}, nil}); !maps.Equal(got, want) {
		t.Errorf("of a product: %v", got)
	}
	ours := 0
	for _, table := range tables {
		ours += len(columnsOf(table))
	}
	if ours < 5 { // of sessions, tickets and mails, and two of the audit log
		t.Errorf("only %d columns of ours", ours)
	}
}
