package main

import (
	"cmp"
	"runtime/debug"
)

// linkedVersion is set by the build (make build VERSION=…) where there is no version control to take it from, as in a container.
var linkedVersion string

// version is what rcas --version tells: a release's tag, or the revision that was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if linkedVersion != "" || !ok {
		return cmp.Or(linkedVersion, "unknown")
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return "unknown"
}
