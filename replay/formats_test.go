package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	pq "github.com/parquet-go/parquet-go"

	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/origin"
)

// packers compress text in each of the formats but plain text.
func packers(t testing.TB) map[string]func(text string) []byte {
	return map[string]func(string) []byte{
		"lz4": func(text string) []byte { return compress(t, text) },
		"gzip": func(text string) []byte {
			return pack(t, text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
		},
		"zstd": func(text string) []byte {
			return pack(t, text, func(w io.Writer) io.WriteCloser {
				z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<16))
				if err != nil {
					t.Fatal(err)
				}
				return z
			})
		},
		"snappy": func(text string) []byte {
			return pack(t, text, func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) })
		},
	}
}

func pack(t testing.TB, text string, to func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := to(&b)
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFormats replays one data set whose objects are in all formats, twice over:
// each codec is used again for a second object, and reads through frames that
// follow each other.
func TestFormats(t *testing.T) {
	var contents []string
	var want []string
	n := 0.0
	text := func() string {
		s := events(n, n+1, n+2)
		want = append(want, strings.Split(strings.TrimSpace(s), "\n")...)
		n += 3
		return s
	}
	packs := packers(t)
	for range 2 {
		contents = append(contents, text())
		for _, name := range []string{"gzip", "lz4", "snappy", "zstd"} {
			a, b := text(), text()
			contents = append(contents, string(packs[name](a+b[:20]))+string(packs[name](b[20:])))
		}
	}
	contents = append(contents, string(skippable(0, "pzstd"))+string(packs["zstd"](text()))) // as pzstd writes
	r := drain(t, replay.Config{}, files(contents...))
	if diff := cmp.Diff(want, r.Lines); diff != "" || r.Err != nil {
		t.Errorf("error %v, lines (-want +got):\n%s", r.Err, diff)
	}
}

// TestDamagedFormats cuts and bends objects of each format: the replay ends with
// an error that says where, after lines as they were recorded.
func TestDamagedFormats(t *testing.T) {
	text := manyEvents(5000)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	where := regexp.MustCompile(`(opening|decoding) trips\.lz4(: | up to byte \d+: )`)
	for name, packed := range packers(t) {
		whole := packed(text)
		flipped := bytes.Clone(whole)
		flipped[len(whole)/2] ^= 0x55
		for what, data := range map[string][]byte{
			"cut":         whole[:len(whole)*2/3],
			"bent":        flipped,
			"junk behind": append(bytes.Clone(whole), "not a frame, nor a member"...),
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				r := drain(t, replay.Config{}, object(data))
				if r.Err == nil || !where.MatchString(r.Err.Error()) {
					t.Errorf("error = %v", r.Err)
				}
				checkError(t, r.Err, "trips.lz4")
				// gzip and zstd have one checksum, at their end.
				if late := what == "bent" && (name == "gzip" || name == "zstd"); !late && !slices.Equal(lines[:len(r.Lines)], r.Lines) {
					t.Error("the lines before the error are not those of the recording")
				}
				if what == "junk behind" && len(r.Lines) != len(lines) {
					t.Errorf("%d lines before the junk, want %d", len(r.Lines), len(lines))
				}
			})
		}
	}
}

// TestEveryCutOfEveryFormat cuts small objects at every byte.
func TestEveryCutOfEveryFormat(t *testing.T) {
	for name, packed := range packers(t) {
		whole := packed(events(0, 1, 2, 3))
		for n := 1; n < len(whole); n++ {
			src, err := replay.NewFrom(replay.Config{}, origin.Files(object(whole[:n])))
			rows := 0
			if err == nil {
				r := drainSource(t, src)
				rows, err = len(r.Lines), r.Err
			}
			if err == nil {
				t.Errorf("%s cut at byte %d of %d: no error, %d rows", name, n, len(whole), rows)
			}
		}
	}
}

// trip is a row as TLC writes it.
type trip struct {
	Dropoff *time.Time `parquet:"tpep_dropoff_datetime,optional,timestamp(microsecond:local)"`
	Zone    int32      `parquet:"PULocationID"`
}

// TestParquet replays a month whose rows lie in no order and of which two cannot
// be used, between other objects.
func TestParquet(t *testing.T) {
	start := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	rows := []trip{{Zone: 9}, {Dropoff: new(start.AddDate(-14, 0, 0))}}
	for i := range 100 {
		rows = append(rows, trip{Dropoff: new(start.Add(time.Duration(i*37%100) * time.Second)), Zone: int32(i * 37 % 100)})
	}
	var b bytes.Buffer
	if err := pq.Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	data := fstest.MapFS{
		"a.json":                          {Data: []byte(events(0))},
		"yellow_tripdata_2024-02.parquet": {Data: b.Bytes()},
		"z.json":                          {Data: []byte(`{"dropoff_datetime":"2024-03-01T00:00:00Z"}`)},
	}
	r := drain(t, replay.Config{}, data)
	if r.Err != nil || len(r.Lines) != 102 || r.Stats["malformed"] != 2 || r.Stats["out_of_order"] != 0 {
		t.Fatalf("%d lines, counters %v, error %v", len(r.Lines), r.Stats, r.Err)
	}
	for i, line := range r.Lines[1:101] {
		want := fmt.Sprintf(`{"dropoff_datetime":%q,"pickup_location_id":%d,`, start.Add(time.Duration(i)*time.Second).Format("2006-01-02T15:04:05.000Z"), i)
		if !strings.HasPrefix(line, want) {
			t.Fatalf("line %d is %s, want %s", i, line, want)
		}
	}
	want := []replay.Malformed{
		{Object: "yellow_tripdata_2024-02.parquet", Line: 1, Reason: `no time in attribute "dropoff_datetime"`},
		{Object: "yellow_tripdata_2024-02.parquet", Line: 2, Reason: "dropoff_datetime 2010-02-01 00:00:00 lies outside of 2024-02"},
	}
	if diff := cmp.Diff(want, r.Source.Malformed()); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	half, err := replay.ParseInstant("2024-02-01T00:00:50Z")
	if err != nil {
		t.Fatal(err)
	}
	if r = drain(t, replay.Config{Seek: half}, data); r.Err != nil || len(r.Lines) != 51 || r.Stats["objects"] != 2 || r.Stats["before_seek"] != 50 {
		t.Errorf("from half on %d lines, counters %v, error %v", len(r.Lines), r.Stats, r.Err)
	}
	checkError(t, drain(t, replay.Config{Strict: true}, data).Err, "reading yellow_tripdata_2024-02.parquet: line 1: no time")
	data["yellow_tripdata_2024-02.parquet"].Data = b.Bytes()[:b.Len()-9]
	checkError(t, drain(t, replay.Config{}, data).Err, "decoding yellow_tripdata_2024-02.parquet up to byte")
}

// FuzzFormats replays arbitrary bytes behind the magic number of each format:
// nothing panics or hangs, and an error is never lost.
func FuzzFormats(f *testing.F) {
	for _, packed := range packers(f) {
		f.Add(packed(events(0, 1, 2)))
		f.Add(packed(fmt.Sprint(events(0), "\n", "{}")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, head := range []string{"", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd", "\xff\x06\x00\x00sNaPpY"} {
			src, err := replay.NewFrom(replay.Config{}, origin.Files(object(append([]byte(head), data...))))
			if err != nil {
				continue
			}
			if r := drainSource(t, src); r.Stats["rows"] != uint64(len(r.Lines)) {
				t.Fatalf("rows = %d, handed out %d", r.Stats["rows"], len(r.Lines))
			}
		}
	})
}
