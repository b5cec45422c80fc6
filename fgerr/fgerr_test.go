package fgerr_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"fieldgate/fgerr"
)

func TestNewRejectsInvalidAndReservedCodes(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"", "lower", "_A", "1A", "A-B", "A B", "Ä", "A\n", "UNAUTHENTICATED", "INTERNAL", "INVALID_TOKEN", "GRAPHQL_PARSE_FAILED", "QUERY_TOO_COMPLEX"} {
		err := fgerr.New(code, "shown", nil)
		if err == nil || fgerr.Code(err) != "" || err.Error() == "shown" {
			t.Errorf("New(%q) returned %v, want an error without a code", code, err)
		}
	}
	for _, code := range []string{"A", "OUT_OF_STOCK", "E2", "NOT_FOUND", "CONFLICT", "BAD_USER_INPUT", "FORBIDDEN"} {
		if err := fgerr.New(code, "shown", nil); fgerr.Code(err) != code || err.Error() != "shown" {
			t.Errorf("%q: %v", code, err)
		}
	}
}

func TestExtensionsAreCopiedAndCannotReplaceTheCode(t *testing.T) {
	t.Parallel()
	given := map[string]any{"left": 3, "code": "INTERNAL", "requestId": "forged"}
	err := fmt.Errorf("order: %w", fgerr.New("OUT_OF_STOCK", "only 3 are left", given))
	given["left"] = 0
	var e *fgerr.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	e.Extensions()["left"] = 1
	if got := e.Extensions(); !maps.Equal(got, map[string]any{"code": "OUT_OF_STOCK", "left": 3}) {
		t.Errorf("got %v", got)
	}
	if err := fgerr.New("OUT_OF_STOCK", "shown", map[string]any{"f": func() {}}); fgerr.Code(err) != "" {
		t.Error("New accepted an extension that cannot be encoded as JSON")
	}
}

func TestEveryCodeIsListedOnce(t *testing.T) {
	t.Parallel()
	codes := fgerr.Codes()
	slices.Sort(codes)
	if len(slices.Compact(codes)) != len(fgerr.Codes()) || !slices.Contains(codes, fgerr.Internal) {
		t.Errorf("got %q", fgerr.Codes())
	}
}
