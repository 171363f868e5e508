package kpl_test

import (
	"crypto/md5"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/awslabs/kinesis-aggregation/go/v2/deaggregator"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/kpl"
)

const benchLimit = 51_200 // KPL's default aggregate size

func benchKeys(n int) [][]byte {
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "user-%011d", i)
	}
	return keys
}

// BenchmarkDigest is the floor of both directions: the MD5 that every aggregate
// of 50 KiB must have.
func BenchmarkDigest(b *testing.B) {
	data := make([]byte, benchLimit)
	b.SetBytes(benchLimit)
	b.ReportAllocs()
	for b.Loop() {
		md5.Sum(data)
	}
}

// BenchmarkEncode measures one user record, its share of the digest included.
func BenchmarkEncode(b *testing.B) {
	for _, size := range []int{100, 250, 1024} {
		for _, n := range []int{1, 16, 65_536} {
			b.Run(fmt.Sprintf("bytes=%d/keys=%d", size, n), func(b *testing.B) {
				benchEncode(b, benchKeys(n), make([]byte, size), false)
			})
		}
	}
	b.Run("bytes=250/keys=65536/hash", func(b *testing.B) {
		benchEncode(b, benchKeys(65_536), make([]byte, 250), true)
	})
}

func benchEncode(b *testing.B, keys [][]byte, data []byte, hasHash bool) {
	buf := make([]byte, 0, benchLimit)
	var e kpl.Encoder
	e.Reset(buf)
	var i int
	var hash kload.HashKey
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		hash.Hi += 0x9e3779b97f4a7c15
		if !e.TryAdd(benchLimit, keys[i], hash, hasHash, nil, data) {
			e.Seal()
			e.Reset(buf)
			e.Add(keys[i], hash, hasHash, nil, data)
		}
		if i++; i == len(keys) {
			i = 0
		}
	}
}

// BenchmarkDecode measures one aggregate of 50 KiB; compare "kload" with
// "awslabs", and the ns/record of each.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{100, 250, 1024} {
		for _, n := range []int{16, 65_536} {
			data, count := benchAggregate(size, n)
			name := fmt.Sprintf("bytes=%d/keys=%d", size, n)
			b.Run("kload/"+name, func(b *testing.B) { benchDecode(b, data, count) })
			b.Run("awslabs/"+name, func(b *testing.B) { benchDeaggregator(b, data, count) })
		}
	}
}

func benchAggregate(size, keys int) (sealed []byte, count int) {
	var e kpl.Encoder
	e.Reset(nil)
	data := make([]byte, size)
	for e.TryAdd(benchLimit, fmt.Appendf(nil, "user-%011d", e.Count()%keys), kload.HashKey{}, false, nil, data) {
	}
	return e.Seal(), e.Count()
}

func benchDecode(b *testing.B, data []byte, count int) {
	var d kpl.Decoder
	var u kpl.User
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(data)
		n := 0
		for d.Next(&u) {
			n++
		}
		if n != count {
			b.Fatalf("%d users, want %d", n, count)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/record")
}

func benchDeaggregator(b *testing.B, data []byte, count int) {
	in := []types.Record{{Data: data}}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		out, err := deaggregator.DeaggregateRecords(in)
		if err != nil || len(out) != count {
			b.Fatalf("%d users, %v, want %d", len(out), err, count)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/record")
}
