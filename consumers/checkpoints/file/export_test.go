package file

import (
	"fmt"

	"github.com/kload/kload"
)

// Line returns text as a line of the log.
func Line(text string) []byte { return fmt.Appendf(nil, "%08x %s\n", sum([]byte(text)), text) }

// Scan returns the leases of a log and how many bytes of it are good.
func Scan(b []byte) (leases []kload.Lease, good int, err error) {
	l := newLog("")
	good, err = l.scan(b)
	return l.leases.Sorted(), good, err
}

// Write returns a log of leases without history.
func Write(leases []kload.Lease) []byte { return newLines(leases) }
