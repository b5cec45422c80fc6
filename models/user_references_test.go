package models

import (
	"maps"
	"reflect"
	"testing"
)

// order is a row type of a product.
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

func TestUserReferencesAreDetected(t *testing.T) {
	t.Parallel()
	columnsOf := func(table table) map[string]bool {
		found := map[string]bool{}
		for _, f := range table.Parse(t).Fields {
			if f.DBName != "" && table.RefersToUser(t, f, reflect.TypeFor[User]()) {
				found[f.DBName] = true
			}
		}
		return found
	}
	want := map[string]bool{"user_id": true, "gift_user_id": true, "buyer_id": true, "shopkeeper_id": true}
	if got := columnsOf(table{Row: &order{}}); !maps.Equal(got, want) {
		t.Errorf("columns of a product: got %v, want %v", got, want)
	}
	ours := 0
	for _, table := range tables {
		ours += len(columnsOf(table))
	}
	if ours < 5 { // of sessions, tokens and mails, and two of the audit log
		t.Errorf("got %d columns of Fieldgate's tables, want at least 5", ours)
	}
}
