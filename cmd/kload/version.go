package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version returns the module version, or the revision of a build from source.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	rev, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			rev = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if rev == "" {
		return "devel"
	}
	return "devel-" + rev + dirty
}

func versionVerb(u *ui, args []string) error {
	f := u.flags()
	asJSON := f.Bool("json", false, "print as JSON")
	if _, err := u.parse(f, args); err != nil {
		return err
	}
	if *asJSON {
		return u.printJSON(map[string]string{"kload": version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	return u.print(fmt.Appendf(nil, "kload %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}
