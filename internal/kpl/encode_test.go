package kpl_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
	"github.com/kload/kload/internal/shard"
)

func TestGolden(t *testing.T) {
	users := []kpl.User{
		{Key: []byte("a"), Data: []byte("hi")},
		{Key: []byte("é"), Hash: kload.HashKey{Lo: 10}, HasHash: true, Tag: []byte("t"), Data: []byte{}, Sub: 1},
		{Key: []byte("a"), Hash: kload.HashKey{Lo: 10}, HasHash: true, Data: []byte{0xFF}, Sub: 2},
	}
	want := strings.Join([]string{
		"f3899ac2",                          // magic number
		"0a0161",                            // key table: "a"
		"1a06" + "0800" + "1a026869",        // record: key 0, "hi"
		"0a02c3a9",                          // key table: "é"
		"12023130",                          // explicit hash key table: "10"
		"1a0e" + "0801" + "1000" + "1a00",   // record: key 1, hash 0, no data,
		"2206" + "0a016b" + "120174",        // and the tag k = "t"
		"1a07" + "0800" + "1000" + "1a01ff", // record: key 0, hash 0, FF
		"0029e316b1acc40b113df1d6d520b3f9",  // MD5
	}, "")
	got := pack(users)
	if diff := cmp.Diff(want, hex.EncodeToString(got)); diff != "" {
		t.Errorf("aggregate (-want +got):\n%s", diff)
	}
	var d kpl.Decoder
	kind, back := unpack(&d, got)
	if diff := diffUsers(users, back); kind != kpl.Aggregate || diff != "" {
		t.Errorf("decoded as %v (-want +got):\n%s", kind, diff)
	}
}

func TestRoundTripAndExactSize(t *testing.T) {
	var e kpl.Encoder
	var d kpl.Decoder
	for seed := range uint64(100) {
		s := newSampler(seed)
		users := s.users(1 + s.rng.IntN(300))
		e.Reset(make([]byte, 0, 64<<10))
		for i, u := range users {
			want := e.Size() + e.Grow(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
			if i%2 == 0 {
				e.Add(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
			} else {
				tryAdd(t, &e, want, u)
			}
			if e.Size() != want || e.Count() != i+1 {
				t.Fatalf("seed %d: Size %d, Count %d after %d records, want %d bytes", seed, e.Size(), e.Count(), i+1, want)
			}
		}
		size := e.Size()
		data := e.Seal()
		if len(data) != size {
			t.Fatalf("seed %d: sealed %d bytes, Size said %d", seed, len(data), size)
		}
		kind, back := unpack(&d, data)
		if diff := diffUsers(users, back); kind != kpl.Aggregate || diff != "" {
			t.Fatalf("seed %d: decoded as %v (-want +got):\n%s", seed, kind, diff)
		}
		if d.Count() != len(users) {
			t.Fatalf("seed %d: Count %d, want %d", seed, d.Count(), len(users))
		}
	}
}

// tryAdd adds u, which fits size exactly, and checks that one byte less refuses it.
func tryAdd(t *testing.T, e *kpl.Encoder, size int, u kpl.User) {
	t.Helper()
	before := e.Size()
	if e.TryAdd(size-1, u.Key, u.Hash, u.HasHash, u.Tag, u.Data) || e.Size() != before {
		t.Fatalf("TryAdd exceeded its limit of %d: Size is %d", size-1, e.Size())
	}
	if !e.TryAdd(size, u.Key, u.Hash, u.HasHash, u.Tag, u.Data) {
		t.Fatalf("TryAdd refused a record that fits %d exactly", size)
	}
}

// Sizes where a length or an index starts to take one more varint byte.
func TestVarintBoundaries(t *testing.T) {
	var d kpl.Decoder
	for _, n := range []int{0, 1, 126, 127, 128, 129, 16_382, 16_383, 16_384, 16_385, 2_097_151, 2_097_152} {
		for _, tagged := range []bool{false, true} {
			u := kpl.User{Key: []byte("k"), Data: bytes.Repeat([]byte{7}, n)}
			if tagged {
				u.Tag = bytes.Repeat([]byte{'t'}, n%16_384)
			}
			checkExact(t, &d, []kpl.User{u})
		}
	}
	for _, keys := range []int{127, 128, 129, 511, 512, 513, 1024, 16_384, 16_385} {
		users := make([]kpl.User, keys)
		for i := range users {
			hash := kload.HashKey{Hi: uint64(i), Lo: uint64(i)}
			users[i] = kpl.User{Key: fmt.Appendf(nil, "%d", i), Data: []byte{}, Hash: hash, HasHash: true, Sub: int64(i)}
		}
		checkExact(t, &d, users)
	}
	longest := kpl.User{Key: []byte(strings.Repeat("🔑", 256)), Hash: shard.Max(), HasHash: true, Tag: []byte{}, Data: []byte("x")}
	checkExact(t, &d, []kpl.User{longest})
}

func checkExact(t *testing.T, d *kpl.Decoder, users []kpl.User) {
	t.Helper()
	var e kpl.Encoder
	e.Reset(nil)
	for _, u := range users {
		want := e.Size() + e.Grow(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
		e.Add(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
		if e.Size() != want {
			t.Fatalf("Size %d, want %d", e.Size(), want)
		}
	}
	kind, back := unpack(d, e.Seal())
	if diff := diffUsers(users, back); kind != kpl.Aggregate || diff != "" {
		t.Fatalf("decoded as %v (-want +got):\n%s", kind, diff)
	}
}

func TestKeysAreWrittenOnce(t *testing.T) {
	for _, tc := range []struct {
		name           string
		keys, each     int
		inTurn, repeat bool
	}{
		{name: "one key", keys: 1, each: 50},
		{name: "31 keys in turn", keys: 31, each: 20, inTurn: true},
		{name: "32 keys in turn", keys: 32, each: 20, inTurn: true},
		{name: "33 keys in turn", keys: 33, each: 20, inTurn: true},
		{name: "as many as are remembered", keys: 512, each: 3, inTurn: true},
		{name: "more than are remembered, in runs", keys: 600, each: 3},
		{name: "more than are remembered, in turn", keys: 513, each: 2, inTurn: true, repeat: true},
	} {
		for _, hashed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hashed=%v", tc.name, hashed), func(t *testing.T) {
				var e kpl.Encoder
				for range 2 { // again with what is left of the first time
					e.Reset(nil)
					for i := range tc.keys * tc.each {
						n := i / tc.each
						if tc.inTurn {
							n = i % tc.keys
						}
						key := fmt.Appendf(nil, "the-key-%03d", n)
						hash := shard.HashOf(key)
						if hashed { // another one each time
							hash.Lo += uint64(i)
						}
						e.Add(key, hash, hashed, nil, []byte("payload"))
					}
					sealed := e.Seal()
					for i := range tc.keys {
						key := fmt.Sprintf("the-key-%03d", i)
						repeats := tc.repeat && i == tc.keys-1
						if n := bytes.Count(sealed, []byte(key)); (n > 1) != repeats || n < 1 {
							t.Errorf("%s is there %d times, want repeats: %v", key, n, repeats)
						}
					}
				}
			})
		}
	}
}

// A record that is refused must leave no trace in the tables.
func TestGrowLeavesNoTrace(t *testing.T) {
	var e kpl.Encoder
	e.Reset(nil)
	e.Grow([]byte("never added"), shard.Max(), true, nil, []byte("x"))
	e.Add([]byte("a"), kload.HashKey{Lo: 1}, true, nil, []byte("x"))
	e.Grow([]byte("never added"), shard.Max(), true, nil, []byte("x"))
	e.Add([]byte("b"), kload.HashKey{Lo: 2}, true, nil, []byte("y"))
	got := e.Seal()
	want := pack([]kpl.User{
		{Key: []byte("a"), Hash: kload.HashKey{Lo: 1}, HasHash: true, Data: []byte("x")},
		{Key: []byte("b"), Hash: kload.HashKey{Lo: 2}, HasHash: true, Data: []byte("y")},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("aggregate (-want +got):\n%s", diff)
	}
}

func TestEncoderIsReusable(t *testing.T) {
	var e kpl.Encoder
	first := newSampler(1).users(200)
	second := newSampler(2).users(50)
	var got [][]byte
	for _, users := range [][]kpl.User{first, second, first} {
		e.Reset(make([]byte, 100))
		for _, u := range users {
			e.Add(u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
		}
		got = append(got, e.Seal())
	}
	if diff := cmp.Diff([][]byte{pack(first), pack(second), pack(first)}, got); diff != "" {
		t.Errorf("reused encoder (-want +got):\n%s", diff)
	}
}

func TestSealUsesTheCallersBuffer(t *testing.T) {
	buf := make([]byte, 5, 1024)
	var e kpl.Encoder
	e.Reset(buf)
	if e.Size() != kpl.Overhead || e.Count() != 0 {
		t.Errorf("after Reset: Size %d, Count %d, want %d and 0", e.Size(), e.Count(), kpl.Overhead)
	}
	e.Add([]byte("k"), kload.HashKey{}, false, nil, []byte("data"))
	if sealed := e.Seal(); &sealed[0] != &buf[0] {
		t.Error("Seal returned another buffer although this one had room")
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	const limit = 51_200
	users := newSampler(7).users(500)
	buf := make([]byte, 0, limit)
	var e kpl.Encoder
	allocs := testing.AllocsPerRun(20, func() {
		e.Reset(buf)
		for _, u := range users {
			if e.Size()+e.Grow(u.Key, u.Hash, u.HasHash, u.Tag, u.Data) > limit {
				break
			}
			e.TryAdd(limit, u.Key, u.Hash, u.HasHash, u.Tag, u.Data)
		}
		if sealed := e.Seal(); len(sealed) > limit {
			t.Errorf("sealed %d bytes, limit %d", len(sealed), limit)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per aggregate, want 0", allocs)
	}
}
