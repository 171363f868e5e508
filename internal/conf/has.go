package conf

import "strings"

// Has reports whether the document has something at path.
func (d *Document) Has(path string) bool {
	n := d.root
	for segment := range strings.SplitSeq(path, ".") {
		next, _ := n.child(segment)
		if next == nil {
			return false
		}
		n = next
	}
	return true
}
