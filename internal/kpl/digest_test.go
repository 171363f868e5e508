package kpl_test

import (
	"bytes"
	"testing"

	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/kpl"
)

// TestDigest completes batches of aggregates of all sizes: each must be what
// Seal alone would have made, and nobody may read it before.
func TestDigest(t *testing.T) {
	var e kpl.Encoder
	var digester kpl.Digester
	var d kpl.Decoder
	seed := uint64(0)
	for batch := range 30 {
		var open, want [][]byte
		for range batch {
			s := newSampler(seed)
			users := s.users(1 + s.rng.IntN(100))
			seed++
			want = append(want, pack(users))
			e.Reset(nil)
			for _, u := range users {
				e.Add(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
			}
			open = append(open, e.SealUndigested())
			if kind := d.Reset(open[len(open)-1]); kind != kpl.BadAggregate {
				t.Fatalf("without its digest the aggregate is %v", kind)
			}
		}
		digester.Digest(open)
		for i := range open {
			if !bytes.Equal(open[i], want[i]) {
				t.Fatalf("aggregate %d of %d is not what Seal makes", i, batch)
			}
		}
	}
}

func TestDigestDoesNotAllocate(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	var digester kpl.Digester
	users := newSampler(1).users(50)
	open := make([][]byte, 20)
	for i := range open {
		open[i] = pack(users)
	}
	if n := testing.AllocsPerRun(100, func() { digester.Digest(open) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// FuzzRoundTrip cuts the input into user records, packs them and takes them out
// again.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x03keydata of some length"), uint64(1))
	f.Add([]byte{}, uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		s := newSampler(seed)
		users := s.users(1 + s.rng.IntN(20))
		for i := range users {
			n := s.rng.IntN(len(data) + 1)
			users[i].Data, data = data[:n:n], data[n:]
		}
		var d kpl.Decoder
		kind, back := unpack(&d, pack(users))
		if diff := diffUsers(users, back); kind != kpl.Aggregate || diff != "" {
			t.Errorf("decoded as %v (-want +got):\n%s", kind, diff)
		}
	})
}
