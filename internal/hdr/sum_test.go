package hdr_test

import (
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
)

// TestSumOfAnyGeometry adds up what kload wrote and what others did.
func TestSumOfAnyGeometry(t *testing.T) {
	micros := hdrhistogram.New(1, 60_000_000, 2)
	for v := range int64(1000) {
		if err := micros.RecordValue(v + 1); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name     string
		h        *hdr.Histogram
		scale    float64
		max      int64
		wantP50  time.Duration
		wantMax  int64
		accuracy float64
	}{
		{"ours", oneInterval(ms, 2*ms, 3*ms).Histogram, 1, 3*ms + 17, 2 * time.Millisecond, 3*ms + 17, 0.001},
		{"microseconds, two digits", micros, 1000, 0, 500 * time.Microsecond, 1003 * us, 0.01},
	}
	for _, tt := range tests {
		sum := hdr.NewSum()
		sum.Add(tt.h, tt.scale, tt.max)
		sum.Add(tt.h, tt.scale, tt.max)
		got := sum.Total(kload.HopPut)
		if got.Count != 2*tt.h.TotalCount() || got.Max != tt.wantMax {
			t.Errorf("%s: %d values up to %d, want %d up to %d", tt.name, got.Count, got.Max, 2*tt.h.TotalCount(), tt.wantMax)
		}
		if off := float64(got.P50)/float64(tt.wantP50) - 1; off > tt.accuracy || off < -tt.accuracy {
			t.Errorf("%s: p50 %v, want %v", tt.name, time.Duration(got.P50), tt.wantP50)
		}
	}
}
