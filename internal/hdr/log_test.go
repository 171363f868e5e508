package hdr_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/invariants"
)

var start = time.Unix(1795414376, 123456789)

// oneInterval returns an interval holding the given values for put.
func oneInterval(values ...int64) hdr.Interval {
	s := hdr.NewSet("x", kload.HopPut)
	r := s.NewRecorder()
	r.Lock()
	for _, v := range values {
		r.Record(kload.HopPut, v)
	}
	r.Unlock()
	return s.Rotate()[0]
}

func TestLogRoundTrip(t *testing.T) {
	n := int64(2000)
	if invariants.Enabled { // encoding is twenty times slower under the race detector
		n = 200
	}
	type row struct {
		Tag        string
		Start, End int64
		Count, P99 int64
	}
	var file bytes.Buffer
	w, err := hdr.NewLogWriter(&file, start)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []row
	at := start.Truncate(time.Millisecond)
	set := hdr.NewSet("x", kload.HopPut)
	rec := set.NewRecorder()
	for i := range n {
		rec.Lock()
		for _, v := range []int64{i * us, 2 * i * us, 5 * ms} {
			rec.Record(kload.HopPut, v)
		}
		rec.Unlock()
		iv := set.Rotate()[0]
		owner := fmt.Sprintf("load_%d", i%3)
		end := at.Add(time.Second + time.Duration(i%7)*time.Millisecond)
		if err := w.Write(owner, iv, at, end); err != nil {
			t.Fatal(err)
		}
		want = append(want, row{owner + "/put", at.UnixMilli(), end.UnixMilli(), 3, iv.Histogram.ValueAtPercentile(99)})
		at = end
	}
	raw := file.String()
	info, err := hdr.ReadLog(&file, func(e hdr.LogEntry) error {
		h := e.Histogram
		got = append(got, row{e.Tag, e.Start.UnixMilli(), e.End.UnixMilli(), h.TotalCount(), h.ValueAtPercentile(99)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !info.Start.Equal(start) || info.Torn {
		t.Errorf("info %+v, want start %v and a whole log", info, start)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	foreign := hdrhistogram.NewHistogramLogReader(strings.NewReader(raw))
	for i := range n {
		h, err := foreign.NextIntervalHistogram()
		if err != nil || h == nil || h.Tag() != want[i].Tag || h.TotalCount() != 3 {
			t.Fatalf("the library's reader, entry %d: %v, %v", i, h, err)
		}
	}
}

func TestLogHeader(t *testing.T) {
	var file bytes.Buffer
	if _, err := hdr.NewLogWriter(&file, start); err != nil {
		t.Fatal(err)
	}
	want := `#[Histogram log format version 1.3]
#[StartTime: 1795414376.123 (seconds since epoch), 2026-11-23T06:12:56.123456789Z]
#[kload start_ns: 1795414376123456789]
#[kload units: histogram values in ns, Interval_Max in ms, times in s]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
`
	if d := cmp.Diff(want, file.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestLogRefusesTags(t *testing.T) {
	tests := []struct {
		owner string
		ok    bool
	}{
		{"trips", true},
		{"my-load_2.b/x", true},
		{"a,", false},
		{"a,b", false},
		{"a b", false},
		{"", false},
		{"é", false},
		{"a\n", false},
	}
	for _, tt := range tests {
		var file bytes.Buffer
		w, err := hdr.NewLogWriter(&file, start)
		if err != nil {
			t.Fatal(err)
		}
		before := file.Len()
		err = w.Write(tt.owner, oneInterval(ms), start, start.Add(time.Second))
		if (err == nil) != tt.ok {
			t.Errorf("owner %q: error %v, want ok %v", tt.owner, err, tt.ok)
		}
		if !tt.ok && file.Len() != before {
			t.Errorf("owner %q was refused but written", tt.owner)
		}
	}
}

func TestReadLogSadRows(t *testing.T) {
	var file bytes.Buffer
	w, err := hdr.NewLogWriter(&file, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("a", oneInterval(ms), start, start.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	whole := file.String()
	tests := []struct {
		name, log, wantErr string
		entries            int
		torn               bool
	}{
		{name: "empty"},
		{name: "whole", log: whole, entries: 1},
		{name: "windows line ends", log: strings.ReplaceAll(whole, "\n", "\r\n"), entries: 1},
		{name: "cut inside the last line", log: whole + "Tag=a/put,17954", entries: 1, torn: true},
		{name: "cut before the newline", log: strings.TrimSuffix(whole, "\n"), torn: true},
		{name: "missing fields", log: "Tag=a/put,1,2\n", wantErr: "line 1 of the interval log: expected start, length"},
		{name: "start is no number", log: "Tag=a,x,1,1,AAAA\n", wantErr: "parsing the interval's start"},
		{name: "length is negative", log: "Tag=a,1,-1,1,AAAA\n", wantErr: "-1 seconds are out of range"},
		{name: "start is not finite", log: "NaN,1,1,AAAA\n", wantErr: "NaN seconds are out of range"},
		{name: "no histogram", log: "Tag=a,1,1,1,%%%\n", wantErr: "decoding the histogram of a"},
		{name: "bad start comment", log: "#[kload start_ns: x]\n", wantErr: "parsing the start time"},
		{name: "endless line", log: strings.Repeat("x", 9<<20), wantErr: "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			info, err := hdr.ReadLog(strings.NewReader(tt.log), func(hdr.LogEntry) error { n++; return nil })
			if (err == nil) != (tt.wantErr == "") || (err != nil && !strings.Contains(err.Error(), tt.wantErr)) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
			if n != tt.entries || info.Torn != tt.torn {
				t.Errorf("%d entries, torn %v; want %d, %v", n, info.Torn, tt.entries, tt.torn)
			}
		})
	}
}

func TestReadLogStopsWhenTold(t *testing.T) {
	var file bytes.Buffer
	w, _ := hdr.NewLogWriter(&file, start)
	for range 3 {
		if err := w.Write("a", oneInterval(ms), start, start); err != nil {
			t.Fatal(err)
		}
	}
	stop, n := errors.New("enough"), 0
	_, err := hdr.ReadLog(&file, func(hdr.LogEntry) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("error %v after %d entries, want %v after 1", err, n, stop)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestLogReportsWriteErrors(t *testing.T) {
	broken := errors.New("disk full")
	if _, err := hdr.NewLogWriter(brokenWriter{broken}, start); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func FuzzReadLog(f *testing.F) {
	var file bytes.Buffer
	w, _ := hdr.NewLogWriter(&file, start)
	if err := w.Write("a", oneInterval(ms, 2*ms), start, start.Add(time.Second)); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte("1.0,1.0,1.0,HISTFAAAAB\n"))
	f.Add([]byte("Tag=a\n\n#x\n"))
	f.Fuzz(func(t *testing.T, log []byte) {
		_, _ = hdr.ReadLog(bytes.NewReader(log), func(e hdr.LogEntry) error {
			if e.End.Before(e.Start) {
				t.Errorf("interval ends %v before it starts %v", e.End, e.Start)
			}
			if e.Histogram == nil || e.Histogram.TotalCount() < 0 {
				t.Errorf("bad histogram for tag %q", e.Tag)
			}
			return nil
		})
	})
}
