package replay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/origin"
)

// Data that is read at once is not done at once: what counts is the schedule.
func TestProgressFollowsTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, err := replay.NewFrom(replay.Config{}, origin.Files(files(events(10, 11, 14, 20))))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		synctest.Wait() // until all is read
		recs := make([]kload.Record, 1)
		for i, want := range []struct {
			fraction float64
			source   time.Duration
		}{{0, 0}, {0.1, time.Second}, {0.4, 4 * time.Second}, {1, 10 * time.Second}} {
			if _, err := src.Next(t.Context(), recs); err != nil {
				t.Fatal(err)
			}
			p := src.Progress()
			first, _, _ := src.SourceTime()
			if p.Fraction != want.fraction || p.Source.Sub(first) != want.source {
				t.Errorf("row %d: %v of it done, %v on; want %v and %v", i, p.Fraction, p.Source.Sub(first), want.fraction, want.source)
			}
		}
	})
}
