//go:build ignore

// This program is what go generate runs, in the module's root.
package main

import (
	"fmt"
	"os"

	"fieldgate/internal/reference"
)

func main() {
	if err := reference.Write("."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
