package replay_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/origin"
)

// taxiText is the built-in data as text.
func taxiText(b testing.TB) string {
	b.Helper()
	src, err := replay.New(replay.Config{Newline: "keep"})
	if err != nil {
		b.Fatal(err)
	}
	r := drainSource(b, src)
	return strings.Join(r.Lines, "")
}

func count(t testing.TB, src *replay.Source, dst []kload.Record) int {
	rows := 0
	for {
		n, err := src.Next(t.Context(), dst)
		rows += n
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestRowsAllocateNothing compares a long replay with a short one: what both
// need for themselves is the same, so rows must cost nothing; a MiB as stored,
// which is read at once, costs about ten.
func TestRowsAllocateNothing(t *testing.T) {
	if invariants.Enabled {
		t.Skip("checked builds allocate")
	}
	text := taxiText(t)
	dst := make([]kload.Record, 512)
	allocs := func(copies int) (float64, int) {
		data := object(compress(t, strings.Repeat(text, copies)))
		rows := 0
		n := testing.AllocsPerRun(3, func() {
			src, err := replay.NewFrom(replay.Config{}, origin.Files(data))
			if err != nil {
				t.Fatal(err)
			}
			rows = count(t, src, dst)
		})
		return n, rows
	}
	short, few := allocs(10)
	long, many := allocs(40)
	if perRow := (long - short) / float64(many-few); perRow > 0.001 {
		t.Errorf("%.4f allocations per row: %.0f for %d rows, %.0f for %d", perRow, short, few, long, many)
	}
}

// BenchmarkReplay is the whole source over lz4: decode, split, find and parse
// the time, schedule, hand out. Run it with -cpu 1 for rows per core-second.
func BenchmarkReplay(b *testing.B) {
	text := strings.Repeat(taxiText(b), 20)
	benchmark(b, compress(b, text), len(text))
}

// BenchmarkReplayPlain is the same over plain text.
func BenchmarkReplayPlain(b *testing.B) {
	text := strings.Repeat(taxiText(b), 20)
	benchmark(b, []byte(text), len(text))
}

func benchmark(b *testing.B, data []byte, size int) {
	from := origin.Files(object(data))
	cfg := replay.Config{Speedup: speedup(b, "6480")}
	dst := make([]kload.Record, 512)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		src, err := replay.NewFrom(cfg, from)
		if err != nil {
			b.Fatal(err)
		}
		rows += count(b, src, dst)
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkTaxiDirectory replays the larger data set where there is one.
func BenchmarkTaxiDirectory(b *testing.B) {
	dir := os.Getenv("KLOAD_TAXI_DIR")
	if dir == "" {
		b.Skip("KLOAD_TAXI_DIR is not set")
	}
	cfg := replay.Config{From: "file://" + dir, Speedup: speedup(b, "6480")}
	dst := make([]kload.Record, 512)
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		src, err := replay.New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		rows += count(b, src, dst)
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkFloor is the least that the data demands, for comparison: decoding,
// finding each line's end, the name of the attribute, and its digits.
func BenchmarkFloor(b *testing.B) {
	text := strings.Repeat(taxiText(b), 20)
	data := compress(b, text)
	name := []byte(`"dropoff_datetime":"`)
	var out bytes.Buffer
	b.SetBytes(int64(len(text)))
	rows := 0
	for b.Loop() {
		out.Reset()
		if _, err := lz4.NewReader(bytes.NewReader(data)).WriteTo(&out); err != nil {
			b.Fatal(err)
		}
		for rest := out.Bytes(); len(rest) > 0; rows++ {
			line := rest[:bytes.IndexByte(rest, '\n')]
			rest = rest[len(line)+1:]
			at := line[bytes.Index(line, name)+len(name):]
			if _, ok := replay.ParseTime(at[:len("2006-01-02T15:04:05.000Z")]); !ok {
				b.Fatal("not a time")
			}
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkParseTime(b *testing.B) {
	at := []byte("2023-05-08T04:00:35.000Z")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := replay.ParseTime(at); !ok {
			b.Fatal("not a time")
		}
	}
}
