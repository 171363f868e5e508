package scenarios

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
)

//go:embed *.yaml
var library embed.FS

// Entry is one scenario of the library.
type Entry struct {
	Name     string
	Question string // what it answers, from the first comment of the file
}

// List returns the library in alphabetical order.
func List() []Entry {
	files, _ := fs.Glob(library, "*.yaml") // the pattern is well-formed
	entries := make([]Entry, 0, len(files))
	for _, f := range files {
		src, _ := library.ReadFile(f) // it was just listed
		entries = append(entries, Entry{Name: strings.TrimSuffix(f, ".yaml"), Question: question(src)})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }) // without ".yaml" it is another order
	return entries
}

// question returns the text behind "# Question:".
func question(src []byte) string {
	for line := range strings.Lines(string(src)) {
		if q, ok := strings.CutPrefix(line, "# Question:"); ok {
			return strings.TrimSpace(q)
		}
	}
	return ""
}

// nearest suggests a scenario of the library for a name that is not in it.
func nearest(name string) string {
	var names []string
	for _, e := range List() {
		names = append(names, e.Name)
	}
	return conf.DidYouMean(name, names)
}

// Show returns the file of a scenario in the library.
func Show(name string) ([]byte, error) {
	src, err := library.ReadFile(name + ".yaml")
	if err != nil {
		return nil, kload.WithHint(fmt.Errorf("%w: no scenario called %q in the library%s", kload.ErrInvalid, name, nearest(name)), "'kload list' shows what there is")
	}
	return src, nil
}
