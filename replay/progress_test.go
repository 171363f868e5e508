package replay_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
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
		synctest.Wait()                 // until all is read
		recs := make([]kload.Record, 4) // one at a time, since the others are due later
		for i, want := range []struct {
			fraction   float64
			source     time.Duration
			soon, late time.Duration // what is left after half a second, and after 8
		}{{0, 0, 0, 0}, {0.1, time.Second, 9500 * time.Millisecond, 72 * time.Second}, {0.4, 4 * time.Second, 9500 * time.Millisecond, 12 * time.Second}, {1, 10 * time.Second, 9500 * time.Millisecond, 2 * time.Second}} {
			if _, err := src.Next(t.Context(), recs); err != nil {
				t.Fatal(err)
			}
			p := src.Progress()
			first, _, _ := src.SourceTime()
			if soon, late := p.Left(time.Second/2), p.Left(8*time.Second); soon != want.soon || late != want.late {
				t.Errorf("row %d: %v and %v left, want %v and %v", i, soon, late, want.soon, want.late)
			}
			if p.Fraction != want.fraction || p.Source.Sub(first) != want.source {
				t.Errorf("row %d: %v of it done, %v on; want %v and %v", i, p.Fraction, p.Source.Sub(first), want.fraction, want.source)
			}
		}
	})
}

// What is read ahead of its time does not bring the end closer: as long as little
// was read, nothing is said, and then what is true within a quarter.
func TestProgressIsNotWhatIsReadAhead(t *testing.T) {
	const n, line = 20_000, 4 << 10
	long := strings.Repeat(strings.Repeat("x", line-len(event(0, "0"))-2)+"\n", n)
	text := strings.ReplaceAll(long, "\n", " "+event(0, "0")+"\n")
	for name, cfg := range map[string]replay.Config{
		"rate": {Rate: units.Rate{N: 100, Per: time.Second}}, "limit": {Rate: units.Rate{N: 100, Per: time.Second}, Limit: n},
	} {
		cfg.Timestamp = "none"
		src, err := replay.NewFrom(cfg, origin.Files(files(string(compress(t, text)))))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		recs, told := make([]kload.Record, 512), 0
		for done := 0; done < n; {
			k, err := src.Next(t.Context(), recs)
			if err != nil {
				t.Fatal(err)
			}
			done += k
			p := src.Progress()
			if p.Fraction == 0 && done < n/2 {
				continue
			}
			told++
			if left, want := p.Left(0), n*10*time.Millisecond; left < want*3/4 || left > want*5/4 {
				t.Fatalf("%s: after %d of %d rows %v are left, want %v", name, done, n, left, want)
			}
		}
		if told == 0 {
			t.Errorf("%s: nothing was said", name)
		}
	}
}
