package policy_test

import (
	"errors"
	"strings"
	"testing"
)

func TestWriteTable(t *testing.T) {
	want := `
field           rule                                anonymous  USER  STAFF  ADMIN
Query.items     @public                             yes        yes   yes    yes
Mutation.buy    @auth                               -          yes   yes    yes
Mutation.close  @auth(role: ADMIN, orOwner: false)  -          -     -      yes
Order.total     @auth(role: STAFF)                  -          -     yes    yes
Order.address   @auth(role: STAFF, orOwner: true)   -          own   yes    yes
`
	var got strings.Builder
	if err := compile(t, declarations, shop).WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	if "\n"+got.String() != want {
		t.Errorf("got\n%s\nwant%s", got.String(), want)
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteTableReportsAFailedWrite(t *testing.T) {
	if err := compile(t, declarations, shop).WriteTable(fullDisk{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}
