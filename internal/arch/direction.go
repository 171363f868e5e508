package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// The rooms that rules single out. The other rooms are the engines.
const (
	roomRoot      = "."
	roomInternal  = "internal"
	roomScenarios = "scenarios"
	roomCmd       = "cmd"
	roomTest      = "test"
	roomInterop   = "internal/interop"
)

// registry is the one file that names every plug-in.
const registry = "scenarios/registry.go"

// outside tells the rooms that stand outside the house.
func outside(name string) bool { return name == roomTest || name == roomInterop }

// room returns the first element of a folder's path. The tests against foreign
// implementations are a room of their own.
func room(dir string) string {
	if dir == roomInterop {
		return roomInterop
	}
	first, _, _ := strings.Cut(dir, "/")
	return first
}

func isEngine(name string) bool {
	return slices.Contains([]string{"producer", "replay", "consumers", "results"}, name)
}

func isRoom(name string) bool {
	return isEngine(name) || outside(name) ||
		slices.Contains([]string{roomRoot, roomInternal, roomScenarios, roomCmd}, name)
}

// isSuite tells conformance suites such as consumers/readers/readertest.
func isSuite(dir string) bool {
	name := path.Base(dir)
	return len(name) > len("test") && strings.HasSuffix(name, "test")
}

func mayImport(from, to string) bool {
	switch {
	case from == to, outside(from):
		return true
	case from == roomRoot:
		return false
	case to == roomRoot, to == roomInternal:
		return true
	case from == roomScenarios:
		return isEngine(to)
	case from == roomCmd:
		return to == roomScenarios || to == "results"
	}
	return false
}

// insteadOf advises on an import that mayImport forbids.
func insteadOf(from, to string) string {
	switch {
	case from == roomRoot:
		return "the root holds nouns and contracts only: move the code to internal/ or into an engine instead"
	case outside(to):
		return "nothing imports " + to + "/: move what is shared to another folder of internal/ instead"
	case to == roomCmd:
		return "cmd has no logic: move what is shared to internal/ or the root instead"
	case from == roomInternal:
		return "internal packages are leaves: let scenarios hand it in, or move what both need to internal/ instead"
	case from == roomCmd:
		return "cmd has no logic: ask scenarios or results for it instead"
	}
	return "wire it in " + registry + " instead"
}

func (r *report) checkImports() {
	lost := map[string]bool{}
	for _, f := range r.files {
		from := room(f.dir)
		if !isRoom(from) && !lost[from] {
			lost[from] = true
			r.whole(from, "is no room of the house", "use an engine, scenarios, internal, cmd or test, or add the room to internal/arch")
		}
		for _, s := range f.imports() {
			if dir, ok := r.local(s.path); ok {
				r.checkLocal(f, s, dir)
			} else {
				r.checkOutside(f, s)
			}
		}
	}
}

func (r *report) checkLocal(f *file, s importSpec, dir string) {
	from, to := room(f.dir), room(dir)
	imports := "imports " + dir
	if dir == roomRoot {
		imports = "imports the root"
	}
	switch {
	case from == roomRoot && f.test: // an example of the whole product
	case isRoom(from) && !mayImport(from, to):
		r.at(f, s.node, imports, insteadOf(from, to))
	case f.test:
	case isSuite(dir):
		r.at(f, s.node, imports, "conformance suites are for tests: import it from a _test.go file instead")
	default:
		r.checkPlugInImport(f, s, dir)
	}
}

// checkOutside looks at imports from outside the module.
func (r *report) checkOutside(f *file, s importSpec) {
	std := !strings.Contains(room(s.path), ".")
	switch {
	case s.path == "C":
		r.at(f, s.node, "uses cgo", "kload is one static binary: use a pure Go library instead")
	case f.test:
	case forTests(s.path):
		r.at(f, s.node, "imports "+s.path, "it is for tests only: import it from a _test.go file instead")
	case f.dir == roomRoot && !std:
		r.at(f, s.node, "imports "+s.path, insteadOf(roomRoot, ""))
	}
}

// forTests tells packages that must not end up in the binary: oracles, which
// would otherwise judge themselves, and test libraries.
func forTests(importPath string) bool {
	return slices.ContainsFunc([]string{
		"testing", "net/http/httptest", // testing registers flags
		"github.com/awslabs", // decodes aggregates: the oracle of internal/kpl
		"github.com/chromedp",
		"github.com/google/go-cmp",
		"github.com/rogpeppe/go-internal",
		"github.com/santhosh-tekuri/jsonschema", // validates schemas: the oracle of internal/conf
	}, func(p string) bool { return importPath == p || strings.HasPrefix(importPath, p+"/") })
}

// plugIn returns the plug-in folder that dir is or lies in, or "".
func plugIn(dir string) string {
	if room(dir) == "replay" { // an engine that is one source
		return "replay"
	}
	for _, kind := range []string{
		"consumers/readers", "consumers/hosts", "consumers/sinks", "consumers/checkpoints", "consumers/observers",
		"producer/drivers", "producer/generate", "scenarios/actions",
	} {
		rest, ok := strings.CutPrefix(dir, kind+"/")
		name, _, _ := strings.Cut(rest, "/")
		if ok && name != roomInternal && !isSuite(name) {
			return kind + "/" + name
		}
	}
	return ""
}

func (r *report) checkPlugInImport(f *file, s importSpec, dir string) {
	from, to := plugIn(f.dir), plugIn(dir)
	switch {
	case to == "" || to == from:
	case from != "":
		r.at(f, s.node, "plug-in imports plug-in "+to, "plug-ins do not know each other: move what both need to their engine or to internal/ instead")
	case room(f.dir) != roomScenarios:
		r.at(f, s.node, "imports plug-in "+to, "wire it in "+registry+" instead")
	}
}

// checkRegistry finds plug-ins that nothing wires.
func (r *report) checkRegistry() {
	wired, seen := map[string]bool{}, map[string]bool{}
	for _, f := range r.files {
		if f.path != registry {
			continue
		}
		for _, s := range f.imports() {
			if dir, ok := r.local(s.path); ok {
				wired[plugIn(dir)] = true
			}
		}
	}
	for _, f := range r.files {
		p := plugIn(f.dir)
		if p == "" || f.test || wired[p] || seen[p] {
			continue
		}
		seen[p] = true
		r.whole(p, "the plug-in is reached from nowhere", fmt.Sprintf("register it in %s, which lacks: import %q", registry, r.module+"/"+p))
	}
}
