package kpl

import (
	"crypto/md5"

	"github.com/kload/kload/internal/md5lanes"
)

// Digester completes aggregates that were sealed without their digest, and checks
// the digests of others. Several at once take much less time than one after the
// other. The zero value is ready; a Digester belongs to one goroutine.
type Digester struct {
	hasher   *md5lanes.Hasher
	messages [][]byte
	sums     [][md5.Size]byte
}

// Digest writes the digests of aggregates returned by [Encoder.SealUndigested]
// into them. In steady state it does not allocate.
func (d *Digester) Digest(aggregates [][]byte) {
	d.sum(aggregates)
	for i, a := range aggregates {
		copy(a[len(a)-digestSize:], d.sums[i][:])
	}
}

// Verify writes to ok[i] whether data[i] ends in the digest of the message in it,
// for data for which [IsAggregate] holds. In steady state it does not allocate.
func (d *Digester) Verify(ok []bool, data [][]byte) {
	d.sum(data)
	for i, a := range data {
		ok[i] = sizeable(a) && string(d.sums[i][:]) == string(a[len(a)-digestSize:])
	}
}

// sum digests the messages of aggregates; data too small to have one counts as
// an empty message.
func (d *Digester) sum(aggregates [][]byte) {
	if d.hasher == nil {
		d.hasher = md5lanes.New()
	}
	d.messages = d.messages[:0]
	for _, a := range aggregates {
		d.messages = append(d.messages, a[len(magic):max(len(magic), len(a)-digestSize)])
	}
	for len(d.sums) < len(aggregates) {
		d.sums = append(d.sums, [md5.Size]byte{})
	}
	d.hasher.Sum(d.sums, d.messages)
	clear(d.messages)
}
