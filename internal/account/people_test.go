package account

import (
	"encoding/base64"
	"strings"
	"testing"

	"fieldgate/models"
)

const someID = "01a2027b-72e4-7b47-a427-0cc080f605d1"

func TestCursorComesBackAsThePlaceItWas(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, prefix string
		place        models.Place
	}{
		{"before everybody", "", models.Place{}},
		{"before everybody, in a search", "a", models.Place{}},
		{"among everybody", "", models.Place{ID: someID}},
		{"found by name", "ad", models.Place{ID: someID, Key: "ada 😀 lovelace"}},
		{"found by the whole name", "ada", models.Place{ID: someID, Key: "ada"}},
		{"found by address", "ad", models.Place{Key: "ada@example.com", ByEmail: true}},
	} {
		c := cursor(row.place)
		if got, ok := parseCursor(c, row.prefix, row.prefix); !ok || got != row.place {
			t.Errorf("%s: %q is %+v, %t", row.name, c, got, ok)
		}
	}
}

func TestCursorThatIsForgedOrAnotherListings(t *testing.T) {
	t.Parallel()
	write := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, row := range []struct{ name, prefix, cursor string }{
		{"no base64", "", "!"},
		{"base64 of the other alphabet", "a", base64.RawStdEncoding.EncodeToString([]byte("ea???>>>"))},
		{"padded", "a", base64.URLEncoding.EncodeToString([]byte("ea@bb.c"))},
		{"with a line break in it", "", write("i" + someID)[:10] + "\n" + write("i" + someID)[10:]},
		{"with bits left over", "ab", "ZWFiZR"},
		{"of no part", "", write(someID)},
		{"of a part that there is not", "", write("x" + someID)},
		{"without an id", "", write("i")},
		{"with half an id", "", write("i" + someID[:35])},
		{"with another id behind it", "", write("i" + someID + someID)},
		{"with an id in braces", "", write("i{" + strings.ReplaceAll(someID, "-", "") + "}")},
		{"with an id that is none", "", write("i" + strings.Repeat("'", 36))},
		{"with a name that is nobody's", "", write("n" + someID)},
		{"with a name but for everybody", "", write("n" + someID + "ada")},
		{"with an address but for everybody", "", write("eada@example.com")},
		{"with no address", "", write("e")},
		{"of everybody but for a search", "a", write("i" + someID)},
		{"of another search, by name", "b", write("n" + someID + "ada")},
		{"of another search, by address", "b", write("eada@example.com")},
		{"of a longer search", "adam", write("n" + someID + "ada")},
		{"with what is no UTF-8", "a", write("ea\xff")},
		{"with an id that is no ASCII", "a", write("n" + strings.Repeat("é", 18) + "ada")},
	} {
		if place, ok := parseCursor(row.cursor, row.prefix, row.prefix); ok {
			t.Errorf("%s: %q is good for %+v", row.name, row.cursor, place)
		}
	}
}
