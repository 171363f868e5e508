package replay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/origin"
)

// outcomes acknowledges, or does not, records with these sequence numbers.
func outcomes(status kload.Status, shard string, seqs ...uint64) []kload.Outcome {
	o := kload.Outcome{Status: status, Shard: shard}
	for _, s := range seqs {
		o.Records = append(o.Records, kload.Receipt{Seq: s})
	}
	return []kload.Outcome{o}
}

// TestResume breaks a replay off at random points, with acknowledgements that come
// in disorder, and goes on: nothing is lost, and what is repeated is what was not
// acknowledged.
func TestResume(t *testing.T) {
	var texts []string
	for o := range 5 {
		var b strings.Builder
		for i := range 800 {
			fmt.Fprintf(&b, "{\"trip_id\":%d,\"dropoff_datetime\":%q,\"x\":%q}\n", o*800+i,
				time.Date(2023, 5, 8, 4, 0, (o*800+i)/3, 0, time.UTC).Format(time.RFC3339), strings.Repeat("y", i%300))
		}
		texts = append(texts, b.String())
	}
	texts[1] = string(compress(t, texts[1]))
	for name, tc := range map[string]struct {
		cfg  replay.Config
		want int
	}{
		"plain":   {replay.Config{}, 4000},
		"filter":  {replay.Config{Filter: "trip_id % 3 == 1", Seek: at(t, 300), Limit: 700}, 700},
		"loop":    {replay.Config{Loop: 3, Limit: 9500}, 9500},
		"reorder": {replay.Config{Loop: 2, Reorder: 300}, 8000},
		"shape":   {replay.Config{Shape: units.Rate{N: 5000, Per: time.Second}}, 4000},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			from := origin.Files(files(texts...))
			reference := drain(t, tc.cfg, files(texts...))
			if reference.Err != nil || len(reference.Lines) != tc.want {
				t.Fatalf("%d rows, error %v", len(reference.Lines), reference.Err)
			}
			lives(t, tc.cfg, replay.Options{From: from}, random, reference.Lines)
		})
	}
}

// lives ends a replay at random points and goes on until all rows are sent.
func lives(t *testing.T, cfg replay.Config, o replay.Options, random *rand.Rand, reference []string) {
	t.Helper()
	seen, repeated, allowed := map[string]int{}, 0, 0
	for life := 0; ; life++ {
		src, err := replay.Open(t.Context(), cfg, o)
		if err != nil {
			t.Fatal(err)
		}
		acked, sent, err := live(t, src, random, seen, len(reference)/4)
		c := src.Checkpoint()
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
		before := uint64(0)
		if o.At != nil {
			before = o.At.Acked
		}
		if c.Acked != before+uint64(acked) || c.Taken != before+uint64(sent) {
			t.Fatalf("life %d: checkpoint %+v after %d, with %d of %d acknowledged", life, c, before, acked, sent)
		}
		allowed += sent - acked
		o.At = overTheWire(t, c)
	}
	for _, line := range reference {
		if seen[line] == 0 {
			t.Fatalf("lost %s", line)
		}
		repeated += seen[line] - 1
		delete(seen, line)
	}
	if len(seen) > 0 || repeated != allowed {
		t.Errorf("%d rows that there are not, %d repeated, want %d", len(seen), repeated, allowed)
	}
}

// live takes a random number of rows and acknowledges most of them: all before the
// first that it returns as acked, and some after it.
func live(t *testing.T, src *replay.Source, random *rand.Rand, seen map[string]int, most int) (acked, sent int, err error) {
	t.Helper()
	dst := make([]kload.Record, 100)
	for stop := random.IntN(most) + 1; sent < stop && err == nil; {
		var n int
		n, err = src.Next(t.Context(), dst[:1+random.IntN(len(dst))])
		for _, r := range dst[:n] {
			seen[string(r.Data)]++
		}
		sent += n
	}
	acked = max(0, sent-random.IntN(300))
	for _, i := range random.Perm(acked) {
		src.Outcomes(outcomes(kload.Acked, "s", uint64(i)))
	}
	for i := acked + 1; i < sent; i += 2 {
		src.Outcomes(outcomes(kload.Acked, "s", uint64(i)))
	}
	return acked, sent, err
}

func overTheWire(t *testing.T, c replay.Checkpoint) *replay.Checkpoint {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back replay.Checkpoint
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back != c {
		t.Fatalf("%+v became %+v", c, back)
	}
	return &back
}

// TestCheckpoint holds at what is not acknowledged, and goes past what was shed.
func TestCheckpoint(t *testing.T) {
	src, err := replay.NewFrom(replay.Config{ASAP: true}, origin.Files(files(events(0, 1, 2, 3, 4, 5, 6, 7, 8, 9))))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	want := func(acked uint64) {
		t.Helper()
		if c := src.Checkpoint(); c.Acked != acked || c.Skip != acked {
			t.Errorf("checkpoint %+v, want %d acknowledged", c, acked)
		}
	}
	want(0)
	if n, err := src.Next(t.Context(), make([]kload.Record, 20)); n != 10 || err != nil {
		t.Fatalf("Next = %d, %v", n, err)
	}
	want(0)
	src.Outcomes(outcomes(kload.Acked, "s", 1, 0))
	want(2)
	src.Shed(2, 3) // rows 2, 3 and 4
	want(5)
	src.Outcomes(outcomes(kload.Acked, "s", 3)) // row 6
	want(5)
	src.Outcomes(outcomes(kload.Acked, "s", 2)) // row 5
	want(7)
	src.Outcomes(outcomes(kload.Rejected, "", 4))
	src.Outcomes(outcomes(kload.Acked, "s", 5, 6))
	want(7)
}

func TestResumeWithoutTheData(t *testing.T) {
	for _, tc := range []struct {
		point replay.Checkpoint
		err   string
	}{
		{replay.Checkpoint{Object: "gone.json", Size: 5}, "gone.json is not there any more, or has changed"},
		{replay.Checkpoint{Object: "part-00000.json", Size: 5}, "part-00000.json is not there any more, or has changed"},
		{replay.Checkpoint{Object: "part-00000.json", Size: int64(len(events(0))), Modified: time.Unix(1, 0)}, "part-00000.json is not there any more, or has changed"},
		{replay.Checkpoint{Object: "part-00000.json", Size: int64(len(events(0))), Offset: 1 << 40}, "skipping to byte 1099511627776 of the text of part-00000.json"},
	} {
		src, err := replay.Open(t.Context(), replay.Config{}, replay.Options{From: origin.Files(files(events(0))), At: &tc.point})
		if err == nil {
			src.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%+v: error %v, want %q", tc.point, err, tc.err)
		}
	}
}

// TestWatermark follows two shards: a watermark moves with what is acknowledged,
// but not beyond the oldest row in flight.
func TestWatermark(t *testing.T) {
	src, err := replay.NewFrom(replay.Config{ASAP: true, Watermarks: true}, origin.Files(files(events(0, 1, 2.5, 3))))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	want := func(a, b string) {
		t.Helper()
		for shard, at := range map[string]string{"a": a, "b": b} {
			got, ok := src.Watermark(shard)
			if want := `{"watermark":"` + at + `","type":"watermark"}` + "\n"; !ok || string(got) != want {
				t.Errorf("shard %s: %s, want %s", shard, got, want)
			}
		}
	}
	const epoch = "1970-01-01T00:00:00.000Z"
	if n, err := src.Next(t.Context(), make([]kload.Record, 20)); n != 4 || err != nil {
		t.Fatalf("Next = %d, %v", n, err)
	}
	want(epoch, epoch)
	src.Outcomes(outcomes(kload.Acked, "a", 1)) // row 0 is older and in flight
	want(epoch, epoch)
	src.Outcomes(outcomes(kload.Acked, "b", 0))
	want(epoch, "2023-05-08T04:00:00.000Z")
	src.Outcomes(outcomes(kload.Rejected, "", 2))
	want(epoch, "2023-05-08T04:00:00.000Z")
	src.Outcomes(outcomes(kload.Acked, "a", 3))
	want("2023-05-08T04:00:03.000Z", "2023-05-08T04:00:00.000Z")
}
