package protocol

import "strings"

// Sizes of the arena's chunks, bytes. A string kept for long keeps its chunk.
const (
	firstChunk = 256
	lastChunk  = 16 << 10
)

// arena makes strings, many in one allocation. It must not be copied once used.
type arena struct {
	b    strings.Builder
	next int
}

func (a *arena) string(s []byte) string {
	if len(s) == 0 {
		return ""
	}
	if a.b.Cap()-a.b.Len() < len(s) {
		a.next = min(max(2*a.next, firstChunk), lastChunk)
		a.b = strings.Builder{} // strings made so far keep the old chunk
		a.b.Grow(max(a.next, len(s)))
	}
	from := a.b.Len()
	a.b.Write(s)
	return a.b.String()[from:]
}
