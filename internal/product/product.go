// Package product joins the database with what the product in app/ adds to it.
package product

import (
	"fmt"
	"log/slog"

	"fieldgate/app"
	"fieldgate/extend"
	"fieldgate/internal/hook"
	"fieldgate/models"
)

// Product is what app.New has made, and the database that it uses.
type Product struct {
	Store    *models.Store
	App      *app.App
	Features []extend.Feature
	Hooks    hook.Hooks
}

// New makes the product of an open store, without a statement to the database. newApp is app.New.
func New(store *models.Store, log *slog.Logger, newApp func(*extend.Registry) (*app.App, error)) (*Product, error) {
	r := &extend.Registry{Store: store, Log: log}
	a, err := newApp(r)
	if err != nil {
		return nil, fmt.Errorf("app.New: %w", err)
	}
	var kept []models.Feature
	for _, f := range r.Features() {
		kept = append(kept, hook.StoreFeature(f))
	}
	if err := store.AddFeatures(kept...); err != nil {
		return nil, fmt.Errorf("app.New: %w", err)
	}
	return &Product{Store: store, App: a, Features: r.Features(), Hooks: hook.New(r.Features())}, nil
}
