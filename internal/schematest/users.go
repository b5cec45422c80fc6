package schematest

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm/schema"
)

// userIDColumns are column names that hold a user's id in every table.
var userIDColumns = []string{"user_id", "actor_id", "owner_id", "author_id"}

// RefersToUser reports whether a column holds the id of a user: by its name, by a relation to the
// row type of users, or because OwnerID returns it.
func (table Table) RefersToUser(t testing.TB, f *schema.Field, user reflect.Type) bool {
	t.Helper()
	if slices.Contains(userIDColumns, f.DBName) || strings.HasSuffix(f.DBName, "_user_id") {
		return true
	}
	for _, relation := range table.Parse(t).Relationships.Relations {
		for _, reference := range relation.References {
			toUser := !reference.OwnPrimaryKey && relation.FieldSchema.ModelType == user
			if toUser && reference.ForeignKey.DBName == f.DBName {
				return true
			}
		}
	}
	return table.ownedBy(t, f)
}

// ownedBy reports whether OwnerID returns the field's value.
func (table Table) ownedBy(t testing.TB, f *schema.Field) bool {
	t.Helper()
	row := reflect.New(reflect.TypeOf(table.Row).Elem())
	owned, ok := row.Interface().(interface{ OwnerID() string })
	if !ok || f.DBName == "" || f.PrimaryKey || f.IndirectFieldType.Kind() != reflect.String {
		return false
	}
	if err := f.Set(t.Context(), row, "owner"); err != nil {
		t.Fatal(err)
	}
	return owned.OwnerID() == "owner"
}

// moment is a time that every column stores without loss.
var moment = time.Date(2026, 2, 28, 23, 59, 59, 999_000_000, time.UTC)

// NonZero returns a non-zero value of a type, with every field of a struct set.
func NonZero(of reflect.Type) reflect.Value { return nonZero(of, 0) }

func nonZero(of reflect.Type, depth int) reflect.Value {
	v := reflect.New(of).Elem()
	switch {
	case of == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(moment))
	case of.Kind() == reflect.String:
		v.SetString("1")
	case of.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(1)
	case of.Kind() == reflect.Func:
		v.Set(reflect.MakeFunc(of, func([]reflect.Value) []reflect.Value { return []reflect.Value{reflect.Zero(of.Out(0))} }))
	case of.Kind() == reflect.Slice:
		v.Set(reflect.Append(v, nonZero(of.Elem(), depth)))
	case of.Kind() == reflect.Uint8:
		v.SetUint('1')
	case v.CanUint():
		v.SetUint(1)
	case v.CanFloat():
		v.SetFloat(1)
	case of.Kind() == reflect.Pointer && depth < 3: // row types may have cyclic references
		v.Set(reflect.New(of.Elem()))
		v.Elem().Set(nonZero(of.Elem(), depth+1))
	case of.Kind() == reflect.Struct:
		for i := range of.NumField() {
			if of.Field(i).IsExported() {
				v.Field(i).Set(nonZero(of.Field(i).Type, depth))
			}
		}
	}
	return v
}
