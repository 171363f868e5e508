package shard_test

import (
	"crypto/md5"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

func toBig(h kload.HashKey) *big.Int {
	n := new(big.Int).SetUint64(h.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(h.Lo))
}

func TestHashOf(t *testing.T) {
	for _, key := range []string{"", "a", "message digest", "käse-🧀", strings.Repeat("k", 300)} {
		sum := md5.Sum([]byte(key))
		want := new(big.Int).SetBytes(sum[:])
		if got := toBig(shard.HashOf([]byte(key))); got.Cmp(want) != 0 {
			t.Errorf("HashOf(%q) = %v, want %v", key, got, want)
		}
	}
	// RFC 1321: MD5("a") = 0cc175b9c0f1b6a831c399e269772661.
	want := kload.HashKey{Hi: 0x0cc175b9c0f1b6a8, Lo: 0x31c399e269772661}
	if got := shard.HashOf([]byte("a")); got != want {
		t.Errorf("HashOf(a) = %x, want %x", got, want)
	}
}

func TestParseHash(t *testing.T) {
	const largest = "340282366920938463463374607431768211455"
	for _, tc := range []struct {
		name, in string
		want     kload.HashKey
		bad      bool
	}{
		{name: "zero", in: "0"},
		{name: "one", in: "1", want: kload.HashKey{Lo: 1}},
		{name: "2^64-1", in: "18446744073709551615", want: kload.HashKey{Lo: math.MaxUint64}},
		{name: "2^64", in: "18446744073709551616", want: kload.HashKey{Hi: 1}},
		{name: "2^127", in: "170141183460469231731687303715884105728", want: kload.HashKey{Hi: 1 << 63}},
		{name: "max", in: largest, want: shard.Max()},
		{name: "2^128", in: "340282366920938463463374607431768211456", bad: true},
		{name: "most nines", in: strings.Repeat("9", 39), bad: true},
		{name: "40 digits", in: "1" + strings.Repeat("0", 39), bad: true},
		{name: "empty", in: "", bad: true},
		{name: "leading zero", in: "01", bad: true},
		{name: "negative", in: "-1", bad: true},
		{name: "plus", in: "+1", bad: true},
		{name: "hex", in: "0x1", bad: true},
		{name: "letter past nine", in: "1:", bad: true},
		{name: "space", in: "1 ", bad: true},
		{name: "other digits", in: "١", bad: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := shard.ParseHash(tc.in)
			fromBytes, errBytes := shard.ParseHashBytes([]byte(tc.in))
			if got != tc.want || fromBytes != tc.want {
				t.Errorf("ParseHash = %x, ParseHashBytes = %x, want %x", got, fromBytes, tc.want)
			}
			if tc.bad != errors.Is(err, kload.ErrInvalid) || tc.bad != errors.Is(errBytes, kload.ErrInvalid) {
				t.Errorf("errors %v, %v, want invalid: %v", err, errBytes, tc.bad)
			}
			var hint *kload.HintError
			if tc.bad && !errors.As(err, &hint) {
				t.Errorf("error %v has no hint", err)
			}
		})
	}
}

func TestFormatHashAgreesWithBig(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	hashes := []kload.HashKey{
		{},
		{Lo: 1},
		{Lo: 9},
		{Lo: 10},
		shard.Max(),
		{Hi: 1},
		{Lo: math.MaxUint64},
		{Lo: 1e19 - 1},
		{Lo: 1e19},
		{Hi: 1e19, Lo: 0},
		{Hi: 5421010862427522170, Lo: 687399551400673280},     // 10^38
		{Hi: 5421010862427522170, Lo: 687399551400673280 - 1}, // 38 nines
	}
	for range 2000 {
		shift := rng.IntN(64)
		hashes = append(hashes, kload.HashKey{Hi: rng.Uint64() >> shift, Lo: rng.Uint64()}, kload.HashKey{Lo: rng.Uint64() >> shift})
	}
	for _, h := range hashes {
		got := shard.FormatHash(h)
		if want := toBig(h).String(); got != want {
			t.Fatalf("FormatHash(%x) = %s, want %s", h, got, want)
		}
		if back, err := shard.ParseHash(got); err != nil || back != h {
			t.Fatalf("ParseHash(%s) = %x, %v, want %x", got, back, err, h)
		}
	}
	if got := string(shard.AppendHash([]byte("h="), kload.HashKey{Lo: 7})); got != "h=7" {
		t.Errorf("AppendHash = %q, want it after the prefix", got)
	}
}

func TestHashesDoNotAllocate(t *testing.T) {
	key, dec, dst := []byte("a partition key"), []byte("340282366920938463463374607431768211455"), make([]byte, 0, 39)
	allocs := testing.AllocsPerRun(100, func() {
		dst = shard.AppendHash(dst[:0], shard.HashOf(key))
		if _, err := shard.ParseHashBytes(dec); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

func FuzzParseHash(f *testing.F) {
	for _, s := range []string{"0", "1", "340282366920938463463374607431768211455", "", "-1", "00", "1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := shard.ParseHash(s)
		if err == nil && shard.FormatHash(h) != s {
			t.Fatalf("%q came back as %q", s, shard.FormatHash(h))
		}
		n, ok := new(big.Int).SetString(s, 10)
		valid := ok && n.Sign() >= 0 && n.BitLen() <= 128 && n.String() == s
		if valid != (err == nil) {
			t.Fatalf("ParseHash(%q): error %v, but valid is %v", s, err, valid)
		}
	})
}

func BenchmarkHashOf(b *testing.B) {
	key := []byte("user-00000000042")
	b.ReportAllocs()
	for b.Loop() {
		shard.HashOf(key)
	}
}

func BenchmarkAppendHash(b *testing.B) {
	dst := make([]byte, 0, 39)
	h := shard.HashOf([]byte("a"))
	b.ReportAllocs()
	for b.Loop() {
		dst = shard.AppendHash(dst[:0], h)
	}
}

func BenchmarkParseHash(b *testing.B) {
	dec := shard.FormatHash(shard.HashOf([]byte("a")))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := shard.ParseHash(dec); err != nil {
			b.Fatal(err)
		}
	}
}
