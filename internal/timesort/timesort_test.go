package timesort_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/timesort"
)

// TestSort sorts in memory and through a file, equal times in the order in which
// they came, and leaves nothing behind.
func TestSort(t *testing.T) {
	const rows = 3000
	random := rand.New(rand.NewPCG(3, 4))
	var times []int64
	var in, want []string
	for i := range rows {
		times = append(times, int64(random.IntN(rows/3))-rows/6)
		in = append(in, fmt.Sprintf("%d at %d %s", i, times[i], strings.Repeat("x", i%200)))
	}
	for at := int64(-rows); at < rows; at++ {
		for i := range in {
			if times[i] == at {
				want = append(want, in[i])
			}
		}
	}
	for _, limit := range []int{1, 1000, 50_000, 1 << 30} {
		dir := t.TempDir()
		got, err := sorted(timesort.New(dir, limit), times, in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("limit %d: error %v (-want +got):\n%.1000s", limit, err, diff)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("limit %d left %v, %v", limit, left, err)
		}
	}
}

func sorted(s *timesort.Sorter, times []int64, lines []string) (out []string, err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	for i, line := range lines {
		if err := s.Add(times[i], []byte(line)); err != nil {
			return nil, err
		}
	}
	if err := s.Finish(); err != nil {
		return nil, err
	}
	last := int64(-1 << 62)
	for {
		at, line, err := s.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil || at < last {
			return out, fmt.Errorf("%d after %d: %w", at, last, err)
		}
		last = at
		out = append(out, string(line))
	}
}

// TestNowhere cannot write what it has no memory for.
func TestNowhere(t *testing.T) {
	s := timesort.New(t.TempDir()+"/none", 1)
	if err := s.Add(2, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(1, []byte("b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
