// Package builtin holds the recorded data sets that are part of the program, so
// that a replay works without a network or an AWS account.
//
// nyc-taxi is 5,000 consecutive genuine green-cab trips of May 2023, in order
// of their drop-off times over two days; nyc-taxi/README.md says where they come
// from and under which terms.
package builtin

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
)

//go:embed nyc-taxi
var data embed.FS

// Names lists the data sets in order.
func Names() []string { return []string{"nyc-taxi"} }

// Open returns the files of the data set with the given name.
func Open(name string) (fs.FS, error) {
	if slices.Contains(Names(), name) {
		return fs.Sub(data, name)
	}
	return nil, fmt.Errorf("no built-in data set %q", name)
}
