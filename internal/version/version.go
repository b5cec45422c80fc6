// Package version reports what this program was built from.
package version

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// Set by -ldflags "-X fieldgate/internal/version.number=v1.2.3 -X
// fieldgate/internal/version.revision=…" in a build without the repository, such as that of the
// Dockerfile.
var number, revision string

// Info describes the build, as "fieldgate version --json" prints it.
type Info struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// Of returns what this program was built from. The version is "devel" if the build does not set
// one.
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
