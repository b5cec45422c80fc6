// Package hook calls the hooks of a product's features, in order, with a deadline where they have
// one, and recovers their panics.
package hook

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"fieldgate/extend"
	"fieldgate/fgerr"
	"fieldgate/models"
)

// Hooks are the hooks of all features. The zero value has none.
type Hooks struct{ features []extend.Feature }

// New returns the hooks of features, in the order of features.
func New(features []extend.Feature) Hooks { return Hooks{features} }

// BeforeRegister returns the first refusal of a registration, *DeadlineError, or *PanicError.
func (h Hooks) BeforeRegister(ctx context.Context, r extend.Registration) error {
	for _, f := range h.features {
		if f.Hooks.BeforeRegister == nil {
			continue
		}
		at := hookID{f.Name, "BeforeRegister"}
		if err := at.callWithDeadline(ctx, func(ctx context.Context) error { return f.Hooks.BeforeRegister(ctx, r) }); err != nil {
			return err
		}
	}
	return nil
}

// BeforeSignIn returns the first refusal of a sign-in, *DeadlineError, or *PanicError.
func (h Hooks) BeforeSignIn(ctx context.Context, user *models.User) error {
	for _, f := range h.features {
		if f.Hooks.BeforeSignIn == nil {
			continue
		}
		at := hookID{f.Name, "BeforeSignIn"}
		if err := at.callWithDeadline(ctx, func(ctx context.Context) error { return f.Hooks.BeforeSignIn(ctx, user) }); err != nil {
			return err
		}
	}
	return nil
}

// AfterEvent passes an event to every feature, in the transaction that stores the event.
func (h Hooks) AfterEvent(ctx context.Context, tx *models.Store, e extend.Event) error {
	for _, f := range h.features {
		if f.Hooks.AfterEvent == nil {
			continue
		}
		if err := (hookID{f.Name, "AfterEvent"}).call(func() error { return f.Hooks.AfterEvent(ctx, tx, e) }); err != nil {
			return err
		}
	}
	return nil
}

// StoreFeature returns the part of a feature that the store needs. Panics of its UserDeleted hook
// are recovered.
func StoreFeature(f extend.Feature) models.Feature {
	own := models.Feature{Name: f.Name, Migrations: f.Migrations, Tables: f.Tables}
	if deleted := f.Hooks.UserDeleted; deleted != nil {
		own.UserDeleted = func(ctx context.Context, tx *models.Store, user *models.User) error {
			return hookID{f.Name, "UserDeleted"}.call(func() error { return deleted(ctx, tx, user) })
		}
	}
	return own
}

// IsRefusal reports whether err is a hook's refusal, which the client sees, rather than a failure
// of the hook.
func IsRefusal(err error) bool { return fgerr.Code(err) != "" }

// DeadlineError is the error of a hook that took longer than extend.Deadline.
type DeadlineError struct{ Feature, Hook string }

func (e *DeadlineError) Error() string {
	return fmt.Sprintf("feature %q: %s took longer than %s", e.Feature, e.Hook, extend.Deadline)
}

// PanicError is the error of a hook that panicked.
type PanicError struct {
	Feature, Hook string
	Value         any
	Stack         []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("feature %q: panic in %s", e.Feature, e.Hook) }

// hookID identifies a hook of a feature.
type hookID struct{ feature, hook string }

// call runs f and converts a panic to *PanicError.
func (p hookID) call(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{p.feature, p.hook, v, debug.Stack()}
		}
	}()
	return f()
}

// callWithDeadline runs f with the deadline. A hook that ignores its context keeps running in the
// background, so that the client does not wait.
func (p hookID) callWithDeadline(ctx context.Context, f func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, extend.Deadline)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.call(func() error { return f(limited) }) }()
	var err error
	select {
	case err = <-done:
	case <-limited.Done():
		err = limited.Err()
	}
	failed := err != nil && !IsRefusal(err) && !errors.As(err, new(*PanicError))
	if failed && ctx.Err() == nil && limited.Err() != nil {
		return &DeadlineError{p.feature, p.hook}
	}
	return err
}
