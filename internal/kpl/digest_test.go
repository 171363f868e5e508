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

// TestVerify judges batches of good and bad aggregates of all sizes as Reset does
// one by one.
func TestVerify(t *testing.T) {
	var digester kpl.Digester
	var alone, told kpl.Decoder
	s := newSampler(1)
	for batch := range 40 {
		var data [][]byte
		for range batch {
			a := pack(s.users(1 + s.rng.IntN(100)))
			switch s.rng.IntN(4) {
			case 0:
				a[4+s.rng.IntN(len(a)-4)] ^= 1
			case 1:
				a = a[:4+s.rng.IntN(len(a)-4)]
			}
			data = append(data, a)
		}
		ok := make([]bool, len(data))
		digester.Verify(ok, data)
		for i := range data {
			want := alone.Reset(data[i])
			if got := told.ResetVerified(data[i], ok[i]); got != want || got == kpl.Aggregate != ok[i] {
				t.Fatalf("aggregate %d of %d, %d bytes: %v and %v, want %v", i, batch, len(data[i]), ok[i], got, want)
			}
		}
	}
	if kind := told.ResetVerified([]byte("plain"), true); kind != kpl.Plain {
		t.Errorf("data without the magic number is %v", kind)
	}
}

func TestKeyTable(t *testing.T) {
	s := newSampler(3)
	var d kpl.Decoder
	for range 20 {
		if kind := d.Reset(pack(s.users(50))); kind != kpl.Aggregate {
			t.Fatal(kind)
		}
		keys := d.AppendKeys(nil)
		for u := (kpl.User{}); d.Next(&u); {
			if !bytes.Equal(keys[d.KeyIndex()], u.Key) {
				t.Fatalf("key %q is said to be %q", u.Key, keys[d.KeyIndex()])
			}
		}
	}
}
