package results_test

import (
	"testing"

	"github.com/kload/kload/results"
)

// TestBuckets finds each value between the edges of its bucket, and buckets
// narrow and without gaps.
func TestBuckets(t *testing.T) {
	values := []int64{-1, 0, 1, 63, 127, 128, 129, 255, 256, 1000, 999_999, 3_600_000_000_000, 1 << 50}
	for v := int64(1); v < 1<<42; v += 1 + v/50 {
		values = append(values, v)
	}
	for _, v := range values {
		at := results.BucketOf(v)
		low, high := results.Edges(at)
		if f := float64(max(0, v)); f < low || f >= high || high-low > max(1, low/64) {
			t.Fatalf("%d is in bucket %d, [%v, %v)", v, at, low, high)
		}
		if next, _ := results.Edges(at + 1); next != high {
			t.Fatalf("bucket %d ends at %v, the next begins at %v", at, high, next)
		}
	}
}
