package dataset_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/kload/kload"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/replay/dataset"
)

// file writes a file and returns it as an origin.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

// lines replays a data set strictly, and refuses rows that are out of order.
func lines(t *testing.T, dir, timestamp string) []string {
	t.Helper()
	src, err := replay.New(replay.Config{From: "file://" + dir, Timestamp: timestamp, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var out []string
	recs := make([]kload.Record, 100)
	for {
		n, err := src.Next(t.Context(), recs)
		for _, r := range recs[:n] {
			out = append(out, string(r.Data))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if c := src.Counters()["out_of_order"]; c > 0 {
		t.Errorf("%d rows are out of order", c)
	}
	return out
}

// TestConvertTable takes the columns of two kinds of cabs and years, and leaves
// out what has no time.
func TestConvertTable(t *testing.T) {
	from := file(t, "yellow.csv", "\ufeffVendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,RatecodeID,store_and_fwd_flag,PULocationID,Payment_type,extra,Some Note\r\n"+
		"1,2018-01-02 00:00:05,2018-01-02 00:10:05,1.0,2.5,1,N,41,2,0.5,\"a, \"\"b\"\"\"\r\n"+
		"2,2018-01-01 00:00:05,2018-01-01 00:10:05,,-2,1,Y,41.0,1,NaN,007\r\n"+
		"2,2018-01-01 00:00:05,yesterday,,2,1,Y,41,1,0.5,x\r\n"+
		"2,2018-01-01 00:00:05\r\n"+
		"1,2017-12-31 23:50:05,2017-12-31 23:59:05,1.0,2.5,1,N,41,2,0.5,\r\n")
	dir := filepath.Join(t.TempDir(), "out")
	got, err := dataset.Convert(t.Context(), replay.Config{From: from}, replay.Options{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Rows != 3 || got.Objects != 2 || got.Malformed != 2 {
		t.Errorf("written %+v", got)
	}
	bad := []replay.Malformed{
		{Object: "yellow.csv", Line: 4, Reason: `"dropoff_datetime" is not a time: "yesterday"`},
		{Object: "yellow.csv", Line: 5, Reason: "wrong number of fields"},
	}
	if diff := cmp.Diff(bad, got.Samples); diff != "" {
		t.Errorf("malformed (-want +got):\n%s", diff)
	}
	want := []string{
		`{"vendor_id":"1","pickup_datetime":"2017-12-31T23:50:05.000Z","dropoff_datetime":"2017-12-31T23:59:05.000Z","passenger_count":1,"trip_distance":2.5,"rate_code":1,"store_and_fwd_flag":"N","pickup_location_id":41,"payment_type":"2","surcharge":0.5,"trip_id":0,"type":"trip"}`,
		`{"vendor_id":"2","pickup_datetime":"2018-01-01T00:00:05.000Z","dropoff_datetime":"2018-01-01T00:10:05.000Z","trip_distance":-2,"rate_code":1,"store_and_fwd_flag":"Y","pickup_location_id":41,"payment_type":"1","some_note":"007","trip_id":1,"type":"trip"}`,
		`{"vendor_id":"1","pickup_datetime":"2018-01-02T00:00:05.000Z","dropoff_datetime":"2018-01-02T00:10:05.000Z","passenger_count":1,"trip_distance":2.5,"rate_code":1,"store_and_fwd_flag":"N","pickup_location_id":41,"payment_type":"2","surcharge":0.5,"some_note":"a, \"b\"","trip_id":2,"type":"trip"}`,
	}
	if diff := cmp.Diff(want, lines(t, dir, "")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "dropoff_year=2017")); err != nil {
		t.Error(err)
	}
}

// TestConvertTimes: whatever is taken for a time is written as a replay reads it,
// with nothing lost.
func TestConvertTimes(t *testing.T) {
	from := file(t, "t.csv", "at,day\n2018-01-02,2018-01-02\n2018-01-01 23:00:00.000000001-01:30,x\n1678-01-01T00:00:00+00:01,x\n2018-01-01T23:00:00.5Z,x\n")
	dir := filepath.Join(t.TempDir(), "out")
	w, err := dataset.Convert(t.Context(), replay.Config{From: from, Timestamp: "at"}, replay.Options{}, dir)
	if err != nil || w.Malformed != 1 {
		t.Fatalf("written %+v, error %v", w, err)
	}
	want := []string{`{"at":"2018-01-01T23:00:00.500Z","day":"x"}`, `{"at":"2018-01-02T00:00:00.000Z","day":"2018-01-02"}`, `{"at":"2018-01-02T00:30:00.000000001Z","day":"x"}`}
	if diff := cmp.Diff(want, lines(t, dir, "at")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// trip is a row of TLC's Parquet files.
type trip struct {
	Vendor  int64     `parquet:"VendorID"`
	Dropoff time.Time `parquet:"tpep_dropoff_datetime,timestamp(microsecond)"`
	Place   int64     `parquet:"PULocationID"`
}

func month(t *testing.T, dir, name string, trips ...trip) {
	t.Helper()
	if err := parquet.WriteFile(filepath.Join(dir, name), trips); err != nil {
		t.Fatal(err)
	}
}

// TestConvertParquet merges months whose trips overlap, in Parquet and as a table
// of the same columns, and leaves out those whose clocks were wrong.
func TestConvertParquet(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "out")
	at := func(text string) time.Time {
		when, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	month(t, from, "yellow_tripdata_2022-12.parquet", trip{2, at("2023-01-01 00:07:00"), 7}, trip{1, at("2022-12-31 23:59:00"), 8}, trip{1, at("2009-01-01 00:00:00"), 9})
	month(t, from, "yellow_tripdata_2023-01.parquet", trip{1, at("2023-01-01 00:09:00"), 5}, trip{2, at("2023-01-01 00:05:00"), 6})
	if err := os.WriteFile(filepath.Join(from, "more.csv"), []byte("VendorID,Trip_Dropoff_DateTime,PULocationID\n1,2023-01-01 00:06:00,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := dataset.Convert(t.Context(), replay.Config{From: "file://" + from}, replay.Options{}, to)
	if err != nil || w.Rows != 5 || w.Objects != 2 || w.Malformed != 1 {
		t.Fatalf("written %+v, error %v", w, err)
	}
	var got []string
	for _, line := range lines(t, to, "") {
		head, tail, _ := strings.Cut(line, `,"cab_type"`)
		if head, _, _ = strings.Cut(head, `,"trip_id"`); !strings.HasSuffix(line, `,"type":"trip"}`) || strings.Count(line, "trip_id") != 1 {
			t.Errorf("%s … %s", head, tail)
		}
		got = append(got, head)
	}
	want := []string{
		`{"vendor_id":"1","dropoff_datetime":"2022-12-31T23:59:00.000Z","pickup_location_id":8`,
		`{"vendor_id":"2","dropoff_datetime":"2023-01-01T00:05:00.000Z","pickup_location_id":6`,
		`{"vendor_id":"1","dropoff_datetime":"2023-01-01T00:06:00.000Z","pickup_location_id":4`,
		`{"vendor_id":"2","dropoff_datetime":"2023-01-01T00:07:00.000Z","pickup_location_id":7`,
		`{"vendor_id":"1","dropoff_datetime":"2023-01-01T00:09:00.000Z","pickup_location_id":5`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestConvertLines sorts what a replay reads, and keeps its bytes.
func TestConvertLines(t *testing.T) {
	from := file(t, "rows.json", `{"n":1,"at":"2024-01-01T00:00:09Z"}`+"\n"+`{"n":2,"at":"2023-01-01T00:00:00Z"}`+"\n{}\n"+`{"n":3, "at":"2024-01-01T00:00:05Z"}`)
	dir := filepath.Join(t.TempDir(), "out")
	w, err := dataset.Convert(t.Context(), replay.Config{From: from, Timestamp: "at"}, replay.Options{}, dir)
	if err != nil || w.Rows != 3 || w.Objects != 2 || w.Malformed != 1 {
		t.Fatalf("written %+v, error %v", w, err)
	}
	want := []string{`{"n":2,"at":"2023-01-01T00:00:00Z"}`, `{"n":3, "at":"2024-01-01T00:00:05Z"}`, `{"n":1,"at":"2024-01-01T00:00:09Z"}`}
	if diff := cmp.Diff(want, lines(t, dir, "at")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestSample(t *testing.T) {
	for _, tc := range []struct {
		cfg   replay.Config
		n     uint64
		first bool
		want  uint64
	}{
		{replay.Config{}, 7, false, 7},
		{replay.Config{}, 4999, false, 4999},
		{replay.Config{}, 9000, false, 5000},
		{replay.Config{}, 3, true, 3},
		{replay.Config{Filter: "trip_id % 2 == 0"}, 2000, false, 2000},
	} {
		tc.cfg.From = "builtin:nyc-taxi"
		dir := filepath.Join(t.TempDir(), "out")
		w, err := dataset.Sample(t.Context(), tc.cfg, replay.Options{}, dir, tc.n, tc.first)
		if err != nil || w.Rows != tc.want {
			t.Errorf("%d rows: %+v, error %v", tc.n, w, err)
			continue
		}
		if got := lines(t, dir, ""); uint64(len(got)) != tc.want {
			t.Errorf("%d rows came back, want %d", len(got), tc.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	if _, err := dataset.Sample(t.Context(), replay.Config{From: "builtin:nyc-taxi"}, replay.Options{}, filepath.Join(t.TempDir(), "out"), 0, true); !errors.Is(err, kload.ErrInvalid) {
		t.Errorf("a sample of no rows: %v", err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		from, to, timestamp, err string
	}{
		{"builtin:nyc-taxi", full, "", "is not empty"},
		{"builtin:paris", "out", "", `no built-in data set "paris"`},
		{file(t, "a.csv", "id,when\n1,2\n"), "out", "", `a.csv: invalid: there is no column "dropoff_datetime"`},
		{file(t, "a.csv", "dropoff_datetime,Fare, fare\n2018-01-01,2,3\n"), "out", "", `a.csv: invalid: two columns are named "fare"`},
		{file(t, "a.csv", ""), "out", "", "holds no data"},
		{file(t, "a.csv", "dropoff_datetime\n"), "out", "", "the tables have no rows"},
		{file(t, "a.csv", "dropoff_datetime\nnever\n\nsoon\n"), "out", "", `none of 2 rows can be used; the first, line 2 of a.csv: "dropoff_datetime" is not a time: "never"`},
		{file(t, "a.json", "{}\n"), "out", "", "none of 1 lines can be used"},
	} {
		if tc.to == "out" {
			tc.to = filepath.Join(t.TempDir(), "out")
		}
		_, err := dataset.Convert(t.Context(), replay.Config{From: tc.from, Timestamp: tc.timestamp}, replay.Options{}, tc.to)
		if !errors.Is(err, kload.ErrInvalid) || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: error %v, want %q", tc.from, err, tc.err)
		}
		if tc.to != full {
			if _, err := os.Stat(tc.to); err == nil {
				t.Errorf("%s: %s was made", tc.from, tc.to)
			}
		}
	}
}

// endsLater is a context that ends when it was asked so often.
type endsLater struct{ left int }

func (*endsLater) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*endsLater) Done() <-chan struct{}       { return nil }
func (*endsLater) Value(any) any               { return nil }

func (c *endsLater) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestInterruptedConversion leaves no part of a data set behind, which would look
// like a whole one.
func TestInterruptedConversion(t *testing.T) {
	from, within := file(t, "a.csv", "dropoff_datetime\n2017-01-01\n2018-01-01\n"), false
	for calls := range 100 {
		dir := filepath.Join(t.TempDir(), "out")
		w, err := dataset.Convert(&endsLater{calls}, replay.Config{From: from}, replay.Options{}, dir)
		if err == nil {
			break
		}
		within = within || w.Rows == 1
		if _, left := os.Stat(dir); !errors.Is(err, context.Canceled) || !errors.Is(left, os.ErrNotExist) {
			t.Fatalf("ended after %d calls with %+v: %v; in its directory: %v", calls, w, err, left)
		}
	}
	if !within {
		t.Error("no conversion was interrupted between two rows")
	}
}

func FuzzConvertTable(f *testing.F) {
	f.Add("a,dropoff_datetime\n1,2018-01-01 00:00:00\n")
	f.Add("dropoff_datetime,a\n2018-01-01,1\n1678-01-01T00:00:00+23:00,2\n")
	f.Add("dropoff_datetime,\"q\"\"\n2018-01-01T00:00:00Z,\x00\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "x.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "out")
		w, err := dataset.Convert(t.Context(), replay.Config{From: "file://" + path}, replay.Options{}, dir)
		if err != nil || w.Rows == 0 {
			return
		}
		if got := lines(t, dir, ""); uint64(len(got)) != w.Rows {
			t.Errorf("%d of %d rows come back", len(got), w.Rows)
		}
	})
}
