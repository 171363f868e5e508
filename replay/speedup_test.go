package replay_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kload/kload/replay"
)

func TestParseSpeedup(t *testing.T) {
	for _, tc := range []struct{ in, out string }{
		{"1", "1"},
		{"6480", "6480"},
		{"0.5", "0.5"},
		{"007.50", "7.5"},
		{"3600.000", "3600"},
		{"0.001", "0.001"},
		{"86_400", "86400"},
		{"999999999999999999", "999999999999999999"},
		{"0.000000000000000001", "0.000000000000000001"},
	} {
		s, err := replay.ParseSpeedup(tc.in)
		if err != nil || s.String() != tc.out {
			t.Errorf("ParseSpeedup(%q) = %q, %v; want %q", tc.in, s, err, tc.out)
		}
	}
	for _, in := range []string{
		"", "0", "0.0", "-1", "+1", ".5", "5.", "1e3", "fast", "1.2.3", "Inf", "NaN", "6480x",
		"1000000000000000000", "0.0000000000000000001",
	} {
		if s, err := replay.ParseSpeedup(in); err == nil {
			t.Errorf("ParseSpeedup(%q) = %q, want an error", in, s)
		}
	}
}

func TestSpeedupText(t *testing.T) {
	var s replay.Speedup
	if err := s.UnmarshalText([]byte("0.50")); err != nil || s.IsZero() {
		t.Fatal(s, err)
	}
	text, err := s.MarshalText()
	if err != nil || string(text) != "0.5" {
		t.Errorf("MarshalText = %q, %v", text, err)
	}
	if err := s.UnmarshalText(nil); err != nil || !s.IsZero() || s.String() != "" {
		t.Errorf("empty text gives %q, %v", s, err)
	}
}

func TestWall(t *testing.T) {
	const tenYears = uint64(3653 * 24 * time.Hour)
	for _, tc := range []struct {
		speedup string
		source  uint64
		wall    int64
		ok      bool
	}{
		{"1", 0, 0, true},
		{"1", 7, 7, true},
		{"2", 7, 4, true}, // rounded up: never early
		{"0.5", 7, 14, true},
		{"6480", 6480e9, 1e9, true},
		{"6480", 1, 1, true},
		{"1", tenYears, int64(tenYears), true},
		{"1", math.MaxInt64, math.MaxInt64, true},
		{"1", math.MaxInt64 + 1, 0, false},
		{"0.000000000000000001", 9, 9e18, true},
		{"0.000000000000000001", 10, 0, false},
		{"999999999999999999", math.MaxUint64, 19, true},
	} {
		wall, ok := speedup(t, tc.speedup).Wall(tc.source)
		if ok != tc.ok || ok && wall != tc.wall {
			t.Errorf("Wall(%d) at %s = %d, %v; want %d, %v", tc.source, tc.speedup, wall, ok, tc.wall, tc.ok)
		}
	}
}

func TestSpeedupSource(t *testing.T) {
	for _, tc := range []struct {
		speedup      string
		wall, source uint64
	}{
		{"6480", 2e9, 12960e9},
		{"0.3", 10, 3},
		{"0.3", 9, 2},
		{"1000", math.MaxUint64, math.MaxUint64},
	} {
		if got := speedup(t, tc.speedup).Source(tc.wall); got != tc.source {
			t.Errorf("Source(%d) at %s = %d, want %d", tc.wall, tc.speedup, got, tc.source)
		}
	}
}

// TestWallHasNoDrift compares with rational arithmetic over ten years and more:
// the offset is the least whole nanosecond that is not early.
func TestWallHasNoDrift(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, text := range []string{"1", "0.5", "3", "7", "60", "720", "3600", "6480", "0.37", "1.000000001", "123456.789"} {
		s := speedup(t, text)
		ratio, _ := new(big.Rat).SetString(text)
		for range 2000 {
			source := rng.Uint64N(uint64(40 * 365 * 24 * time.Hour))
			exact := new(big.Rat).SetInt(new(big.Int).SetUint64(source))
			exact.Quo(exact, ratio)
			wall, ok := s.Wall(source)
			late := new(big.Rat).SetInt64(wall)
			late.Sub(late, exact)
			if !ok || late.Sign() < 0 || late.Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("Wall(%d) at %s = %d, %v: %s ns late", source, text, wall, ok, late.FloatString(3))
			}
		}
	}
}
