package replay_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/builtin"
	"github.com/kload/kload/replay/origin"
)

var (
	_ kload.Source  = (*replay.Source)(nil)
	_ kload.Timed   = (*replay.Source)(nil)
	_ kload.Counted = (*replay.Source)(nil)
)

// event is a line with a time that many seconds after the first.
func event(seconds float64, extra string) string {
	at := time.Date(2023, 5, 8, 4, 0, 0, 0, time.UTC).Add(time.Duration(seconds * 1e9))
	return fmt.Sprintf(`{"id":%q,"dropoff_datetime":%q}`, extra, at.Format("2006-01-02T15:04:05.000Z"))
}

func events(seconds ...float64) string {
	var b strings.Builder
	for i, s := range seconds {
		b.WriteString(event(s, fmt.Sprint(i)) + "\n")
	}
	return b.String()
}

func files(contents ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i, c := range contents {
		fsys[fmt.Sprintf("part-%05d.json", i)] = &fstest.MapFile{Data: []byte(c)}
	}
	return fsys
}

func speedup(t testing.TB, text string) replay.Speedup {
	t.Helper()
	s, err := replay.ParseSpeedup(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// result is all that a replay gave.
type result struct {
	Lines  []string
	Due    []int64
	Stats  map[string]uint64
	Source *replay.Source
	Err    error // nil at the end of the data
}

func drain(t testing.TB, cfg replay.Config, fsys fs.FS) result {
	t.Helper()
	src, err := replay.NewFrom(cfg, origin.Files(fsys))
	if err != nil {
		t.Fatal(err)
	}
	return drainSource(t, src)
}

func drainSource(t testing.TB, src *replay.Source) result {
	t.Helper()
	r := result{Source: src}
	dst := make([]kload.Record, 100)
	for {
		n, err := src.Next(t.Context(), dst)
		for _, rec := range dst[:n] {
			r.Lines = append(r.Lines, string(rec.Data))
			if len(r.Due) > 0 && rec.Intended < r.Due[len(r.Due)-1] {
				t.Fatalf("offset %d after %d", rec.Intended, r.Due[len(r.Due)-1])
			}
			r.Due = append(r.Due, rec.Intended)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.Err = err
			}
			break
		}
		if n == 0 {
			t.Fatal("Next returned neither records nor an error")
		}
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	r.Stats = src.Counters()
	return r
}

func tripSum(t *testing.T, lines []string) *big.Int {
	t.Helper()
	sum := new(big.Int)
	for _, line := range lines {
		var trip struct {
			ID int64 `json:"trip_id"`
		}
		if err := json.Unmarshal([]byte(line), &trip); err != nil {
			t.Fatal(err)
		}
		sum.Add(sum, big.NewInt(trip.ID))
	}
	return sum
}

func TestBuiltin(t *testing.T) {
	src, err := replay.New(replay.Config{Speedup: speedup(t, "6480")})
	if err != nil {
		t.Fatal(err)
	}
	r := drainSource(t, src)
	want := map[string]uint64{
		"objects": 2, "skipped_objects": 2, "damaged_objects": 0, "torn_reads": 0, "rows": 5000, "row_bytes": 2403900 - 5000,
		"malformed": 0, "blank_lines": 0, "out_of_order": 0, "gaps_compressed": 0, "gap_compressed_ns": 0,
		"before_seek": 0, "after_until": 0, "filtered": 0, "filter_failed": 0, "passes": 1,
	}
	if diff := cmp.Diff(want, r.Stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
	if got := tripSum(t, r.Lines).String(); got != "300647752222500" {
		t.Errorf("sum of trip_id = %s", got)
	}
	first, last, ok := src.SourceTime()
	if span := last.Sub(first); !ok || span != 196604*time.Second {
		t.Errorf("source time spans %v, %v", span, ok)
	}
	// 196604 s / 6480, rounded up to the nanosecond.
	if got, want := r.Due[len(r.Due)-1], int64(30340123457); got != want {
		t.Errorf("last offset = %d, want %d", got, want)
	}
	if p := src.Progress(); p.Rows != 5000 || p.ReadBytes != p.TotalBytes || p.Source != last {
		t.Errorf("progress at the end = %+v", p)
	}
}

func TestBuiltinIsWhatItsChecksumsSay(t *testing.T) {
	fsys, err := builtin.Open("nyc-taxi")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := fs.ReadFile(fsys, "SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(sums)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := sha256.Sum256(data); hex.EncodeToString(got[:]) != want {
			t.Errorf("%s: checksum %x, want %s", name, got, want)
		}
	}
}

// TestTaxiDirectory replays a larger data set where there is one.
func TestTaxiDirectory(t *testing.T) {
	dir := os.Getenv("KLOAD_TAXI_DIR")
	if dir == "" {
		t.Skip("KLOAD_TAXI_DIR is not set")
	}
	src, err := replay.New(replay.Config{
		From: "file://" + dir, Speedup: speedup(t, "6480"), MaxGap: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := drainSource(t, src)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	want := map[string]uint64{"objects": 13, "skipped_objects": 2, "rows": 193891, "malformed": 0, "out_of_order": 0}
	for name, v := range want {
		if r.Stats[name] != v {
			t.Errorf("%s = %d, want %d", name, r.Stats[name], v)
		}
	}
	if r.Stats["gaps_compressed"] == 0 {
		t.Error("no gap was compressed, though the years are not consecutive")
	}
	t.Logf("last offset %v, stats %v", time.Duration(r.Due[len(r.Due)-1]), r.Stats)
}

func TestSource(t *testing.T) {
	long := `{"dropoff_datetime":"2023-05-08T04:00:00Z","x":"` + strings.Repeat("x", replay.MaxLine) + `"}`
	fits := `{"dropoff_datetime":"2023-05-08T04:00:00Z","x":"` + strings.Repeat("x", replay.MaxLine-50) + `"}`
	fits = fits[:len(fits)-2] + strings.Repeat("x", replay.MaxLine-len(fits)) + `"}`
	one, two, three := event(0, "a"), event(1, "b"), event(2, "c")
	bare := func(n uint64) map[string]uint64 {
		return map[string]uint64{"rows": n, "malformed": 0, "blank_lines": 0}
	}
	for _, tc := range []struct {
		name  string
		cfg   replay.Config
		files []string
		lines []string
		stats map[string]uint64
		err   string
	}{
		{name: "lines", files: []string{one + "\n" + two + "\n"}, lines: []string{one, two}, stats: bare(2)},
		{name: "last line without LF", files: []string{one + "\n" + two}, lines: []string{one, two}, stats: bare(2)},
		{name: "CR LF", files: []string{one + "\r\n" + two + "\r\n"}, lines: []string{one, two}, stats: bare(2)},
		{name: "byte order mark", files: []string{"\ufeff" + one + "\n"}, lines: []string{one}, stats: bare(1)},
		{
			name: "newlines kept", cfg: replay.Config{Newline: "keep"}, files: []string{one + "\r\n" + two},
			lines: []string{one + "\r\n", two}, stats: bare(2),
		},
		{
			name: "several objects", files: []string{one, two + "\n", three}, lines: []string{one, two, three},
			stats: map[string]uint64{"objects": 3, "rows": 3},
		},
		{name: "limit", cfg: replay.Config{Limit: 2}, files: []string{one + "\n" + two + "\n" + three}, lines: []string{one, two}, stats: bare(2)},
		{name: "limit beyond the end", cfg: replay.Config{Limit: 9}, files: []string{one}, lines: []string{one}, stats: bare(1)},
		{
			name: "blank lines", files: []string{"\n" + one + "\n\r\n\n" + two + "\n\n"}, lines: []string{one, two},
			stats: map[string]uint64{"rows": 2, "malformed": 0, "blank_lines": 4},
		},
		{
			name: "malformed lines", files: []string{one + "\n{\"a\":1}\nnonsense\n" + two},
			lines: []string{one, two}, stats: map[string]uint64{"rows": 2, "malformed": 2},
		},
		{name: "longest line", files: []string{fits + "\r\n" + one + "\n" + fits}, lines: []string{fits, one, fits}, stats: bare(3)},
		{
			name: "lines too long", files: []string{long + "\n" + one + "\n" + fits + " \n" + long + long + long + "\n" + two + "\n" + long, three},
			lines: []string{one, two, three}, stats: map[string]uint64{"rows": 3, "malformed": 4},
		},
		{
			name: "out of order", files: []string{two + "\n" + one + "\n" + three}, lines: []string{two, one, three},
			stats: map[string]uint64{"rows": 3, "out_of_order": 1},
		},
		{name: "no time needed", cfg: replay.Config{Timestamp: "none", ASAP: true}, files: []string{"a\nb\n"}, lines: []string{"a", "b"}, stats: bare(2)},
		{
			name: "strict", cfg: replay.Config{Strict: true}, files: []string{one + "\n" + two, "{}\n" + three},
			lines: []string{one, two}, err: `reading part-00001.json: line 1: no attribute "dropoff_datetime"`,
		},
		{
			name: "strict and too long", cfg: replay.Config{Strict: true}, files: []string{one + "\n" + long},
			lines: []string{one}, err: `reading part-00000.json: line 2: longer than 1 MiB`,
		},
		{
			name: "wrong attribute", cfg: replay.Config{Timestamp: "pickup"}, files: []string{one + "\n" + two},
			err: `replaying: none of 2 lines can be used; the first, line 1 of part-00000.json: no attribute "pickup"`,
		},
		{name: "blank", files: []string{"\n\n"}, err: "replaying: the data has only blank lines"},
		{
			name: "later object of another format", files: []string{one, "\xfd7zXZ\x00"},
			lines: []string{one}, err: "opening part-00001.json: its content is xz",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := drain(t, tc.cfg, files(tc.files...))
			if diff := cmp.Diff(tc.lines, r.Lines); diff != "" {
				t.Errorf("lines (-want +got):\n%.2000s", diff)
			}
			for name, v := range tc.stats {
				if r.Stats[name] != v {
					t.Errorf("%s = %d, want %d", name, r.Stats[name], v)
				}
			}
			checkError(t, r.Err, tc.err)
		})
	}
}

// checkError compares the message and requires a hint.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
		}
		return
	}
	var hint *kload.HintError
	switch {
	case err == nil:
		t.Errorf("no error, want %q", want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("error = %q, want %q", err, want)
	case !errors.As(err, &hint) || hint.Hint == "":
		t.Errorf("error %q has no hint", err)
	}
}

func TestTenEvents(t *testing.T) {
	r := drain(t, replay.Config{Speedup: speedup(t, "10")}, files(events(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)))
	var want []int64
	for i := range int64(10) {
		want = append(want, i*100_000_000)
	}
	if diff := cmp.Diff(want, r.Due); diff != "" || r.Err != nil {
		t.Errorf("offsets (-want +got), error %v:\n%s", r.Err, diff)
	}
}

func TestMalformedSamples(t *testing.T) {
	text := event(0, "") + "\n" + `{"dropoff_datetime":"yesterday"}` + "\n" + `{"dropoff_datetime":5}` + "\n" +
		strings.Repeat("[]\n", 20)
	r := drain(t, replay.Config{}, files(text))
	if got := r.Stats["malformed"]; got != 22 {
		t.Errorf("malformed = %d, want 22", got)
	}
	got := r.Source.Malformed()
	want := []replay.Malformed{
		{"part-00000.json", 2, `attribute "dropoff_datetime" is not a time: "yesterday"`},
		{"part-00000.json", 3, `attribute "dropoff_datetime" is not a string`},
		{"part-00000.json", 4, `not a JSON object`},
	}
	if len(got) != 10 {
		t.Fatalf("%d samples, want 10", len(got))
	}
	if diff := cmp.Diff(want, got[:3]); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

func TestBackwardsSamples(t *testing.T) {
	r := drain(t, replay.Config{}, files(events(3, 1, 4), events(2)))
	want := []replay.Malformed{
		{"part-00000.json", 2, "its time is 2s before that of an earlier row"},
		{"part-00001.json", 1, "its time is 2s before that of an earlier row"},
	}
	if diff := cmp.Diff(want, r.Source.Backwards()); diff != "" || r.Stats["out_of_order"] != 2 {
		t.Errorf("%d rows, samples (-want +got):\n%s", r.Stats["out_of_order"], diff)
	}
	if r := drain(t, replay.Config{Reorder: 10}, files(events(3, 1))); len(r.Source.Backwards()) > 0 {
		t.Errorf("samples of what was reordered: %v", r.Source.Backwards())
	}
}

// TestMoreThanThePipelineHolds makes sure that nothing is lost or mixed up where
// blocks are reused while records are lent.
func TestMoreThanThePipelineHolds(t *testing.T) {
	const objects, perObject = 7, 40_000
	var texts []string
	var b strings.Builder
	for o := range objects {
		b.Reset()
		for i := range perObject {
			fmt.Fprintf(&b, "{\"n\":%d,\"x\":%q}\n", o*perObject+i, strings.Repeat("y", i%97))
		}
		texts = append(texts, b.String())
	}
	src, err := replay.NewFrom(replay.Config{Timestamp: "none", ASAP: true}, origin.Files(files(texts...)))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst := make([]kload.Record, 333)
	seen := 0
	for {
		n, err := src.Next(t.Context(), dst)
		for _, rec := range dst[:n] {
			if want := fmt.Sprintf("{\"n\":%d,", seen); !strings.HasPrefix(string(rec.Data), want) {
				t.Fatalf("record %d = %.40s", seen, rec.Data)
			}
			seen++
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen != objects*perObject {
		t.Errorf("%d records, want %d", seen, objects*perObject)
	}
}

// TestClose leaves no goroutine behind, or the bubble fails, wherever reading
// stands: the data is far more than the pipeline holds.
func TestClose(t *testing.T) {
	line := event(0, strings.Repeat("z", 1000)) + "\n"
	data := files(strings.Repeat(line, 40_000))
	for _, calls := range []int{0, 1, 100} {
		t.Run(fmt.Sprint(calls), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, err := replay.NewFrom(replay.Config{ASAP: true}, origin.Files(data))
				if err != nil {
					t.Fatal(err)
				}
				dst := make([]kload.Record, 10)
				for range calls {
					if n, err := src.Next(t.Context(), dst); n != len(dst) && err != nil {
						t.Fatalf("Next = %d, %v", n, err)
					}
				}
				synctest.Wait() // until reading waits for blocks to come back
				if err := src.Close(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// stuck is an origin whose reads last until their context ends.
type stuck struct{ origin.Origin }

func (s stuck) Open(ctx context.Context, _ origin.Object, _, _ int64) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat(" ", 512)), stuckReader{ctx.Done()})), nil
}

type stuckReader struct{ done <-chan struct{} }

func (r stuckReader) Read([]byte) (int, error) { <-r.done; return 0, context.Canceled }

func TestNextEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, err := replay.NewFrom(replay.Config{}, stuck{origin.Files(files(manyEvents(50)))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if n, err := src.Next(ctx, make([]kload.Record, 1)); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next = %d, %v", n, err)
		}
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	empty, notes := filepath.Join(dir, "empty"), filepath.Join(dir, "notes")
	for _, d := range []string{empty, notes} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"README.md": "x", ".hidden": "x", "part-0.json": ""} {
		if err := os.WriteFile(filepath.Join(notes, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	zip := filepath.Join(dir, "trips.zip")
	if err := os.WriteFile(zip, []byte("PK\x03\x04\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	six := speedup(t, "6")
	rate := units.Rate{N: 5, Per: time.Second}
	for _, tc := range []struct {
		name string
		cfg  replay.Config
		err  string
	}{
		{"unknown data set", replay.Config{From: "builtin:paris"}, `no built-in data set "paris"`},
		{"unknown origin", replay.Config{From: "ftp://x"}, `unknown origin "ftp://x"`},
		{"bare path", replay.Config{From: "trips"}, `unknown origin "trips"`},
		{"no path", replay.Config{From: "file://"}, "file:// without a path"},
		{"missing directory", replay.Config{From: "file://" + dir + "/none"}, "looking for recorded data: stat "},
		{"device", replay.Config{From: "file:///dev/null"}, "neither a file nor a directory"},
		{"empty directory", replay.Config{From: "file://" + empty}, "file://" + empty + " is empty"},
		{
			"no data",
			replay.Config{From: "file://" + notes},
			"holds no data; skipped: .hidden (hidden), README.md (documentation), part-0.json (empty)",
		},
		{"empty file", replay.Config{From: "file://" + notes + "/part-0.json"}, "holds no data; skipped: part-0.json (empty)"},
		{"binary", replay.Config{From: "file://" + zip}, "opening trips.zip: its content is zip"},
		{"two modes", replay.Config{Speedup: six, ASAP: true}, "invalid: asap: speedup and asap exclude each other"},
		{"three modes", replay.Config{Speedup: six, Rate: rate, ASAP: true}, "speedup and rate and asap exclude each other"},
		{"negative rate", replay.Config{Rate: units.Rate{N: -5, Per: time.Second}}, "rate: a rate is above zero"},
		{"negative gap", replay.Config{MaxGap: -1}, "max_gap: a gap is not negative"},
		{"gap without time", replay.Config{MaxGap: 1, ASAP: true}, "max_gap: there are no gaps with rate or asap"},
		{"no pace", replay.Config{Timestamp: "none"}, "timestamp: rows without time have no pace"},
		{"bad choice", replay.Config{WithinSecond: "even"}, `within_second: bad value "even"`},
		{"bad newline", replay.Config{Newline: "x"}, `newline: bad value "x"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src, err := replay.New(tc.cfg)
			if err == nil {
				src.Close()
			}
			checkError(t, err, tc.err)
		})
	}
}

func TestOneFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "README.md") // taken, since it was asked for
	if err := os.WriteFile(name, []byte(events(0, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := replay.New(replay.Config{From: "file://" + name})
	if err != nil {
		t.Fatal(err)
	}
	if r := drainSource(t, src); len(r.Lines) != 2 || r.Err != nil {
		t.Errorf("%d lines, error %v", len(r.Lines), r.Err)
	}
}

func TestNextWithoutRoom(t *testing.T) {
	src, err := replay.New(replay.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if n, err := src.Next(t.Context(), nil); n != 0 || err != nil {
		t.Errorf("Next(nil) = %d, %v", n, err)
	}
}
