package graph

import (
	"context"
	"errors"
	"slices"
	"testing"

	"fieldgate/internal/account"
	"fieldgate/internal/limit"
	"fieldgate/models"
)

func TestUnusedReservations(t *testing.T) {
	t.Parallel()
	badInput := &account.InputError{Fields: []account.FieldError{{Name: "newEmail", Message: "is wrong"}}}
	for _, row := range []struct {
		name   string
		hashed bool
		err    error
		want   string // released: limits on failures (f), on all executions (a), on successes (s)
	}{
		{"a success is not counted as a failure", true, nil, "f"},
		{"a failure is not counted as a success", true, account.ErrInvalidCredentials, "s"},
		{"a failure before the hash is not counted as a success", false, account.ErrInvalidCredentials, "s"},
		{"bad input before the hash is not counted", false, badInput, "fas"},
		{"bad input after the hash is counted", true, badInput, "s"},
		{"overload before the hash is not counted", false, &account.OverloadedError{}, "fas"},
		{"overload after a hash is counted", true, &account.OverloadedError{}, "s"},
		{"an unavailable database before the hash is not counted", false, models.ErrUnavailable, "fas"},
		{"an unavailable database after the hash is counted", true, models.ErrUnavailable, "s"},
		{"an unknown error is counted", false, errors.New("unknown"), "s"},
	} {
		execution := &limit.Execution{}
		if row.hashed {
			limit.MarkCounted(limit.NewContext(t.Context(), execution))
		}
		acquired := []models.Reservation{{Name: "f"}, {Name: "a", CountsSuccesses: true}}
		got := ""
		for _, reservation := range unusedReservations(acquired, []models.Reservation{{Name: "s", CountsSuccesses: true}}, execution, row.err) {
			got += reservation.Name
		}
		if got != row.want {
			t.Errorf("%s: released %q, want %q", row.name, got, row.want)
		}
	}
}

func TestSuccessIsClaimedOnce(t *testing.T) {
	t.Parallel()
	var claims []error
	full := &models.LimitReachedError{}
	e := &limit.Execution{OnSuccess: func(context.Context) error {
		claims = append(claims, full)
		return full
	}}
	ctx := limit.NewContext(t.Context(), e)
	if err := limit.AcquireSuccess(ctx); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if err := limit.AcquireSuccess(ctx); err != nil || !slices.Equal(claims, []error{full}) {
		t.Errorf("got %v after %d claims", err, len(claims))
	}
	if err := limit.AcquireSuccess(t.Context()); err != nil {
		t.Errorf("without limits: %v", err)
	}
}
