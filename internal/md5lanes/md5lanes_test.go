package md5lanes_test

import (
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"weak"

	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/md5lanes"
)

// check holds the digests of messages against crypto/md5.
func check(t *testing.T, hashers []*md5lanes.Hasher, messages [][]byte) {
	t.Helper()
	for _, h := range hashers {
		checkOne(t, h, messages)
	}
}

func checkOne(t *testing.T, h *md5lanes.Hasher, messages [][]byte) {
	t.Helper()
	for name, sum := range map[string]func([][md5.Size]byte, [][]byte){"Sum": h.Sum, "SumShort": h.SumShort} {
		sums := make([][md5.Size]byte, len(messages))
		sum(sums, messages)
		for i, m := range messages {
			if sums[i] != md5.Sum(m) {
				t.Fatalf("%s: message %d of %d, %d bytes: %x, want %x", name, i, len(messages), len(m), sums[i], md5.Sum(m))
			}
		}
	}
}

func message(r *rand.Rand, n int) []byte {
	m := make([]byte, n)
	for i := range m {
		m[i] = byte(r.Uint32())
	}
	return m
}

// TestSum crosses numbers of messages with their lengths, among them those at
// which the padding needs a block of its own.
func TestSum(t *testing.T) {
	r, h := rand.New(rand.NewPCG(1, 2)), md5lanes.Every()
	for count := range 40 {
		messages := make([][]byte, count)
		for _, n := range []int{0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 51_184} {
			for i := range messages {
				messages[i] = message(r, n)
			}
			check(t, h, messages)
		}
		for i := range messages {
			messages[i] = message(r, r.IntN(1000))
		}
		check(t, h, messages)
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte("abc"), uint16(1), uint16(60), uint16(500))
	h := md5lanes.Every()
	f.Fuzz(func(t *testing.T, data []byte, a, b, c uint16) {
		var messages [][]byte
		for _, cut := range []uint16{a, b, c} {
			n := min(int(cut), len(data))
			messages = append(messages, data[:n], data[n:])
		}
		check(t, h, messages)
	})
}

func TestAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	h, sums, messages := md5lanes.New(), make([][md5.Size]byte, 20), make([][]byte, 20)
	for i := range messages {
		messages[i] = make([]byte, 100+i)
	}
	if n := testing.AllocsPerRun(100, func() { h.Sum(sums, messages); h.SumShort(sums, messages) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestHoldsNothing has messages collected although the hasher lives on.
func TestHoldsNothing(t *testing.T) {
	for way, h := range md5lanes.Every() {
		for _, sum := range []func([][md5.Size]byte, [][]byte){h.Sum, h.SumShort} {
			for i, p := range digested(sum) {
				if runtime.GC(); p.Value() != nil {
					t.Errorf("way %d holds message %d", way, i)
				}
			}
		}
		runtime.KeepAlive(h)
	}
}

// digested returns where messages were that nobody needs any more.
func digested(sum func([][md5.Size]byte, [][]byte)) (where []weak.Pointer[byte]) {
	messages := make([][]byte, 12)
	for i := range messages {
		messages[i] = make([]byte, 1000*i+64)
		where = append(where, weak.Make(&messages[i][0]))
	}
	sum(make([][md5.Size]byte, len(messages)), messages)
	return where
}

// BenchmarkSum is aggregates of the usual size, by how many are ready at once, in
// each way that this machine has, the slowest first.
func BenchmarkSum(b *testing.B) {
	for way, h := range md5lanes.Every() {
		for _, n := range []int{1, 2, 3, 4, 8, 12, 40} {
			b.Run(fmt.Sprintf("way=%d/messages=%d", way, n), func(b *testing.B) {
				sums, messages := make([][md5.Size]byte, n), make([][]byte, n)
				for i := range messages {
					messages[i] = make([]byte, 51_180-100*i)
				}
				b.SetBytes(int64(n) * 51_180)
				for b.Loop() {
					h.Sum(sums, messages)
				}
			})
		}
	}
}

// BenchmarkSumShort is partition keys, per key.
func BenchmarkSumShort(b *testing.B) {
	h, sums, messages := md5lanes.New(), make([][md5.Size]byte, 512), make([][]byte, 512)
	for i := range messages {
		messages[i] = fmt.Appendf(nil, "key-%012d", i)
	}
	n := 0
	for b.Loop() {
		if n++; n%len(messages) == 0 {
			h.SumShort(sums, messages)
		}
	}
}
