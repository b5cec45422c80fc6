// Fieldgate is a GraphQL API server with accounts, sign-in, sessions, and role-based authorization
// of every schema field.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"fieldgate/internal/cli"
)

//go:generate go tool gqlgen generate
//go:generate go tool gofumpt -w graph
//go:generate go run . policy --format markdown --out PERMISSIONS.md
//go:generate go run internal/reference/main.go

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(cli.Main(ctx, cli.Process()))
}
