package ledger

import (
	"encoding/binary"
	"hash/maphash"
	"iter"

	"github.com/kload/kload"
)

// maxExamples bounds the keys named in an [UpsertReport].
const maxExamples = 20

// Row is what a sink holds under one partition key.
type Row struct {
	Key      []byte
	Producer uint32
	Seq      uint64
}

// UpsertReport compares the rows of a sink that keeps one per partition key with
// what was written to it: under each key must be the record with the highest
// sequence number. Where several loads write under one key, the highest of any
// of them is right, because nothing orders them.
type UpsertReport struct {
	Keys    uint64 `json:"keys"`    // written to the sink
	Rows    uint64 `json:"rows"`    // found there
	Missing uint64 `json:"missing"` // keys without a row
	Surplus uint64 `json:"surplus"` // rows of keys that were not written, and second rows of one key
	Stale   uint64 `json:"stale"`   // rows that an older record overwrote, or that a newer one did not
	Foreign uint64 `json:"foreign"` // rows of records that were not written under that key
	// Unchecked counts records written under keys beyond those there was memory for.
	// Rows of such keys are left out of Surplus.
	Unchecked uint64 `json:"unchecked"`
	// Examples are keys of Surplus, Stale and Foreign rows, the first that came.
	Examples []string `json:"examples,omitempty"`
}

// Agrees reports whether every key has its row and every row its record.
func (r *UpsertReport) Agrees() bool {
	return r.Missing+r.Surplus+r.Stale+r.Foreign+r.Unchecked == 0
}

// upserts remembers what a sink was given.
type upserts struct {
	seed    maphash.Seed
	keys    keyOrder // by key; last is 1 if its row was found
	highest keyOrder // by key and load
	report  UpsertReport
}

// Wrote notes records that a sink which keeps one row per partition key was given.
// It keeps nothing of users, and allocates nothing per record.
func (c *Consumer) Wrote(users []kload.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.upserts == nil {
		c.upserts = &upserts{seed: c.ledger.seed}
	}
	for i := range users {
		c.upserts.wrote(&users[i])
	}
}

func (u *upserts) wrote(d *kload.Delivery) {
	hash := hashOf(u.seed, d.Key)
	if _, _, known := u.keys.advance(hash, 0, 0); !known {
		u.report.Unchecked++
		return
	}
	if _, _, known := u.highest.advance(u.of(hash, d.Producer), d.Seq, 0); !known {
		u.report.Unchecked++
	}
}

// of stands for the records of one load under a key.
func (u *upserts) of(hash uint64, producer uint32) uint64 {
	var b [12]byte
	binary.LittleEndian.PutUint64(b[:], hash)
	binary.LittleEndian.PutUint32(b[8:], producer)
	return hashOf(u.seed, b[:])
}

// Reconcile compares the rows that a sink holds in the end with what [Consumer.Wrote]
// was told. It is called once; the outcome is also in the ledger's report.
func (c *Consumer) Reconcile(rows iter.Seq[Row]) UpsertReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.upserts == nil {
		c.upserts = &upserts{seed: c.ledger.seed}
	}
	u := c.upserts
	found := uint64(0)
	for row := range rows {
		u.report.Rows++
		if u.check(&row) {
			found++
		}
	}
	u.report.Keys = uint64(u.keys.keys)
	u.report.Missing = u.report.Keys - found
	return u.report
}

// check judges a row and reports whether it is the first one of a key that was
// written.
func (u *upserts) check(row *Row) (first bool) {
	hash := hashOf(u.seed, row.Key)
	key := u.keys.look(hash)
	if key == nil && u.report.Unchecked > 0 {
		return false
	}
	if key == nil || key.last != 0 {
		u.wrong(&u.report.Surplus, row)
		return false
	}
	key.last = 1
	switch newest := u.highest.look(u.of(hash, row.Producer)); {
	case newest == nil, row.Seq > newest.last>>partBits:
		u.wrong(&u.report.Foreign, row)
	case row.Seq < newest.last>>partBits:
		u.wrong(&u.report.Stale, row)
	}
	return true
}

func (u *upserts) wrong(count *uint64, row *Row) {
	*count++
	if len(u.report.Examples) < maxExamples {
		u.report.Examples = append(u.report.Examples, string(row.Key))
	}
}
