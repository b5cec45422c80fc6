// Package version says what this program was built from.
package version

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// What a build without its repository beside it is told, by
// -ldflags "-X fieldgate/internal/version.number=v1.2.3 -X fieldgate/internal/version.revision=…": see the Dockerfile.
var number, revision string

// Info is what this program was built from, as "fieldgate version --json" shows it.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// Of returns what this program was built from. The version is "devel" where nothing tells it.
func Of() Info {
	v := Info{Version: number, Revision: revision, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if main := info.Main.Version; main != "(devel)" {
			v.Version = cmp.Or(v.Version, main)
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = cmp.Or(v.Revision, s.Value)
			}
		}
	}
	v.Version = cmp.Or(v.Version, "devel")
	return v
}
