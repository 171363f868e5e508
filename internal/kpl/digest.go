package kpl

import (
	"crypto/md5"

	"github.com/kload/kload/internal/md5lanes"
)

// Digester completes aggregates that were sealed without their digest. Several
// at once take much less time than one after the other. The zero value is ready;
// a Digester belongs to one goroutine.
type Digester struct {
	hasher   *md5lanes.Hasher
	messages [][]byte
	sums     [][md5.Size]byte
}

// Digest writes the digests of aggregates returned by [Encoder.SealUndigested]
// into them. In steady state it does not allocate.
func (d *Digester) Digest(aggregates [][]byte) {
	if d.hasher == nil {
		d.hasher = md5lanes.New()
	}
	d.messages = d.messages[:0]
	for _, a := range aggregates {
		d.messages = append(d.messages, a[len(magic):len(a)-digestSize])
	}
	for len(d.sums) < len(aggregates) {
		d.sums = append(d.sums, [md5.Size]byte{})
	}
	d.hasher.Sum(d.sums, d.messages)
	for i, a := range aggregates {
		copy(a[len(a)-digestSize:], d.sums[i][:])
	}
	clear(d.messages)
}
