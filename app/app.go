// Package app holds the features that a product adds to Fieldgate. Releases of Fieldgate do not
// change it.
package app

import "fieldgate/extend"

// App holds the product's services, one per field. Resolvers use it as r.App.
type App struct{}

// New creates the services and registers their features. The server and each command that opens the
// database call it once. It must not use the database, which is not ready yet.
func New(r *extend.Registry) (*App, error) {
	return &App{}, nil
}
