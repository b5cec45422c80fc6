// Package product connects the product in app/ to the database.
package product

import (
	"fmt"
	"log/slog"

	"fieldgate/app"
	"fieldgate/extend"
	"fieldgate/internal/hook"
	"fieldgate/models"
)

// Product holds the result of app.New and the database that it uses.
type Product struct {
	Store    *models.Store
	App      *app.App
	Features []extend.Feature
	Hooks    hook.Hooks
}

// New creates the product of an open store. It sends no statement to the database. newApp is
// app.New.
func New(store *models.Store, log *slog.Logger, newApp func(*extend.Registry) (*app.App, error)) (*Product, error) {
	r := &extend.Registry{Store: store, Log: log}
	a, err := newApp(r)
	if err != nil {
		return nil, fmt.Errorf("app.New: %w", err)
	}
	var features []models.Feature
	for _, f := range r.Features() {
		features = append(features, hook.StoreFeature(f))
	}
	if err := store.AddFeatures(features...); err != nil {
		return nil, fmt.Errorf("app.New: %w", err)
	}
	return &Product{Store: store, App: a, Features: r.Features(), Hooks: hook.New(r.Features())}, nil
}
