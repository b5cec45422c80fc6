// Package app is where a product adds its own features to Fieldgate. Releases of Fieldgate do not change it.
package app

import "fieldgate/extend"

// App is what the product adds: a field for each service. Resolvers reach it as r.App.
type App struct{}

// New makes the services, and registers their features. It is called once by the server, and by each command that opens the
// database. It makes things and does nothing with them: the database cannot be asked yet.
func New(r *extend.Registry) (*App, error) {
	return &App{}, nil
}
