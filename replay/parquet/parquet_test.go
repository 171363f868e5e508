package parquet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"github.com/kload/kload/replay/parquet"
)

// The schemas of some years, as TLC wrote them.
type (
	green2023 struct {
		VendorID    *int32     `parquet:"VendorID,optional"`
		Pickup      *time.Time `parquet:"lpep_pickup_datetime,optional,timestamp(microsecond:local)"`
		Dropoff     *time.Time `parquet:"lpep_dropoff_datetime,optional,timestamp(microsecond:local)"`
		Flag        *string    `parquet:"store_and_fwd_flag,optional"`
		Rate        *int64     `parquet:"RatecodeID,optional"`
		From        *int32     `parquet:"PULocationID,optional"`
		To          *int32     `parquet:"DOLocationID,optional"`
		Passengers  *int64     `parquet:"passenger_count,optional"`
		Distance    *float64   `parquet:"trip_distance,optional"`
		Fare        *float64   `parquet:"fare_amount,optional"`
		Extra       *float64   `parquet:"extra,optional"`
		Ehail       *float64   `parquet:"ehail_fee,optional"`
		Total       *float64   `parquet:"total_amount,optional"`
		PaymentType *int64     `parquet:"payment_type,optional"`
		TripType    *int64     `parquet:"trip_type,optional"`
	}
	yellow2025 struct {
		VendorID   *int64     `parquet:"VendorID,optional"`
		Pickup     *time.Time `parquet:"tpep_pickup_datetime,optional,timestamp(microsecond:local)"`
		Dropoff    *time.Time `parquet:"tpep_dropoff_datetime,optional,timestamp(microsecond:local)"`
		Passengers *float64   `parquet:"passenger_count,optional"`
		Rate       *float64   `parquet:"RatecodeID,optional"`
		Airport    *float64   `parquet:"Airport_fee,optional"`
		Fee        *float64   `parquet:"cbd_congestion_fee,optional"`
		Brand      *string    `parquet:"New_Column,optional"`
	}
	yellow2009 struct {
		Vendor  string  `parquet:"vendor_name"`
		Pickup  string  `parquet:"Trip_Pickup_DateTime"`
		Dropoff string  `parquet:"Trip_Dropoff_DateTime"`
		Lon     float64 `parquet:"Start_Lon"`
		Payment string  `parquet:"Payment_Type"`
		Total   float64 `parquet:"Total_Amt"`
	}
	event struct {
		At     int64    `parquet:"at,timestamp(millisecond)"`
		ID     int64    `parquet:"ID"`
		Text   string   `parquet:"text"`
		Lists  []int64  `parquet:"lists,list"`
		Nested struct { // has no place in a line
			A int64 `parquet:"a"`
		} `parquet:"nested"`
		After float32 `parquet:"after"`
	}
)

func file[T any](t testing.TB, rows ...T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pq.NewGenericWriter[T](&b, pq.Compression(&pq.Snappy), pq.MaxRowsPerRowGroup(700))
	_, err := w.Write(rows)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func at(t testing.TB, text string) *time.Time {
	t.Helper()
	when, err := time.Parse(time.DateTime, text)
	if err != nil {
		t.Fatal(err)
	}
	return &when
}

func read(t testing.TB, data []byte, o parquet.Options) (text string, r *parquet.Reader) {
	t.Helper()
	r, err := parquet.Open(t.Context(), bytes.NewReader(data), int64(len(data)), o)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(all), r
}

func TestYears(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		data       []byte
		want       []string
		rejected   []parquet.Rejected
	}{
		{
			name: "green 2023", file: "dir/green_tripdata_2023-05.parquet",
			data: file(t,
				green2023{
					VendorID: new(int32(2)), Pickup: at(t, "2023-05-01 00:52:10"), Dropoff: at(t, "2023-05-01 01:05:26"), Flag: new("N"),
					Rate: new(int64(1)), From: new(int32(244)), To: new(int32(213)), Passengers: new(int64(1)), Distance: new(6.99),
					Fare: new(29.0), Extra: new(1.0), Total: new(-30.5), PaymentType: new(int64(2)), TripType: new(int64(1)),
				},
				green2023{Pickup: at(t, "2009-01-01 00:00:00"), Dropoff: at(t, "2009-01-01 00:30:00")},
				green2023{VendorID: new(int32(1))},
				green2023{Pickup: at(t, "2023-05-31 23:59:00"), Dropoff: at(t, "2023-06-01 00:30:00")},
				green2023{Dropoff: at(t, "2023-05-01 00:00:00")},
			),
			want: []string{
				`{"dropoff_datetime":"2023-05-01T00:00:00.000Z","cab_type":"green","trip_id":208576548864001,"type":"trip"}`,
				`{"vendor_id":"2","pickup_datetime":"2023-05-01T00:52:10.000Z","dropoff_datetime":"2023-05-01T01:05:26.000Z","passenger_count":1,"trip_distance":6.99,` +
					`"rate_code":1,"store_and_fwd_flag":"N","pickup_location_id":244,"dropoff_location_id":213,"payment_type":"2","fare_amount":29.0,"surcharge":1.0,` +
					`"trip_type":1,"total_amount":-30.5,"cab_type":"green","trip_id":208576548864001,"type":"trip"}`,
				`{"pickup_datetime":"2023-05-31T23:59:00.000Z","dropoff_datetime":"2023-06-01T00:30:00.000Z","cab_type":"green","trip_id":208576548864002,"type":"trip"}`,
			},
			rejected: []parquet.Rejected{
				{Row: 2, Reason: "dropoff_datetime 2009-01-01 00:30:00 lies outside of 2023-05"},
				{Row: 3, Reason: `no time in attribute "dropoff_datetime"`},
			},
		},
		{
			name: "yellow 2025, renamed", file: "trips",
			data: file(t, yellow2025{
				VendorID: new(int64(7)), Dropoff: at(t, "2025-02-01 01:05:26"), Passengers: new(2.0), Rate: new(1.5),
				Airport: new(1.75), Fee: new(0.75), Brand: new("a \"b\""),
			}),
			want: []string{
				`{"vendor_id":"7","dropoff_datetime":"2025-02-01T01:05:26.000Z","passenger_count":2,"rate_code":1.5,"airport_fee":1.75,` +
					`"cbd_congestion_fee":0.75,"new_column":"a \"b\"","cab_type":"yellow","trip_id":0,"type":"trip"}`,
			},
		},
		{
			name: "yellow 2009", file: "yellow_tripdata_2009-01.parquet",
			data: file(t, yellow2009{"VTS", "2009-01-04 02:52:00", "2009-01-04 03:02:00", -73.991957, "CASH", 9.4}),
			want: []string{
				`{"vendor_id":"VTS","pickup_datetime":"2009-01-04T02:52:00.000Z","dropoff_datetime":"2009-01-04T03:02:00.000Z",` +
					`"pickup_longitude":-73.991957,"payment_type":"CASH","total_amount":9.4,"cab_type":"yellow","trip_id":207099080114176,"type":"trip"}`,
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, r := read(t, tc.data, parquet.Options{Name: tc.file, Time: "dropoff_datetime"})
			got := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			id := func(line string) string { // its shape is tested below
				before, _, ok := strings.Cut(line, `,"trip_id":`)
				if !ok || !json.Valid([]byte(line)) {
					t.Errorf("no JSON, or no trip_id: %s", line)
				}
				return before
			}
			for i := range tc.want {
				tc.want[i] = id(tc.want[i])
			}
			for i := range got {
				got[i] = id(got[i])
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			n, samples := r.Rejected()
			if diff := cmp.Diff(tc.rejected, samples); diff != "" || n != uint64(len(tc.rejected)) {
				t.Errorf("%d rejected (-want +got):\n%s", n, diff)
			}
		})
	}
}

// shuffled makes rows in no order, some of them at the same time.
func shuffled(n int) []event {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]event, n)
	for i := range rows {
		rows[i] = event{At: 1_700_000_000_000 + rng.Int64N(int64(n))/3*1000, ID: int64(i), Text: strings.Repeat("x", i%50), After: 0.5}
	}
	return rows
}

// TestSort gives the same order whether there is one run or many: that of the
// times, and that of the file where they are equal.
func TestSort(t *testing.T) {
	rows := shuffled(5000)
	data := file(t, rows...)
	slices.SortStableFunc(rows, func(a, b event) int { return int(a.At - b.At) })
	var want strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&want, "{\"at\":%q,\"id\":%d,\"text\":%q,\"after\":0.5}\n", time.UnixMilli(r.At).UTC().Format("2006-01-02T15:04:05.000Z"), r.ID, r.Text)
	}
	for _, run := range []int{0, 100_000, 3000} {
		dir := t.TempDir()
		got, _ := read(t, data, parquet.Options{Name: "x.parquet", Time: "at", Dir: dir, Run: run})
		if got != want.String() {
			t.Errorf("runs of %d bytes: %s", run, cmp.Diff(strings.Split(want.String(), "\n")[:20], strings.Split(got, "\n")[:20]))
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("runs of %d bytes left %v, %v", run, left, err)
		}
	}
	if got, _ := read(t, data, parquet.Options{Name: "x.parquet"}); !strings.Contains(got[:100], `"id":0,`) {
		t.Errorf("without a time it begins with %s", got[:100])
	}
}

// metered counts the bytes that are read.
type metered struct {
	*bytes.Reader
	n int
}

func (m *metered) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.Reader.ReadAt(p, off)
	m.n += n
	return n, err
}

// TestFirst finds the time of the first line, rows that are rejected left out,
// without reading what else there is.
func TestFirst(t *testing.T) {
	rng, rows := rand.New(rand.NewPCG(3, 4)), make([]green2023, 5000)
	for i := range rows {
		note := fmt.Sprint(rng.Uint64(), rng.Uint64(), rng.Uint64())
		rows[i] = green2023{Flag: &note, Dropoff: new(at(t, "2023-02-03 00:00:00").Add(time.Duration(rng.IntN(20*86_400)) * time.Second))}
	}
	rows[17].Dropoff, rows[4000].Dropoff = nil, at(t, "2009-01-01 00:00:00")
	o := parquet.Options{Name: "green_tripdata_2023-02.parquet", Time: "dropoff_datetime"}
	data := file(t, rows...)
	text, _ := read(t, data, o)
	_, want, _ := strings.Cut(text[:strings.IndexByte(text, '\n')], `"dropoff_datetime":`)
	in := &metered{Reader: bytes.NewReader(data)}
	o.First = true
	r, err := parquet.Open(t.Context(), in, int64(len(data)), o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if len(want) < 26 || !strings.HasPrefix(string(got), `{"dropoff_datetime":`+want[:26]) || bytes.Count(got, []byte("\n")) != 1 {
		t.Errorf("the first is %s, want one with %.26s", got, want)
	}
	if in.n > len(data)/2 {
		t.Errorf("%d of %d bytes were read", in.n, len(data))
	}
	for _, none := range [][]green2023{nil, rows[17:18]} {
		if text, _ := read(t, file(t, none...), o); text != "" {
			t.Errorf("of rows without a time the first is %s", text)
		}
	}
}

// TestTripIDs are unique, increase, and differ from month to month.
func TestTripIDs(t *testing.T) {
	rows := make([]green2023, 100)
	last := int64(-1)
	for month := range 3 {
		for i := range rows {
			when := time.Date(2023, time.Month(month+1), 1, 0, 0, 1000-i, 0, time.UTC)
			rows[i] = green2023{Dropoff: &when}
		}
		text, _ := read(t, file(t, rows...), parquet.Options{Name: fmt.Sprintf("green_tripdata_2023-%02d.parquet", month+1), Time: "dropoff_datetime"})
		for line := range strings.Lines(text) {
			var trip struct {
				ID int64 `json:"trip_id"`
			}
			if err := json.Unmarshal([]byte(line), &trip); err != nil || trip.ID <= last {
				t.Fatalf("trip_id %d after %d, %v", trip.ID, last, err)
			}
			last = trip.ID
		}
	}
}

func TestBadFiles(t *testing.T) {
	good := file(t, shuffled(2000)...)
	dir := t.TempDir()
	for _, tc := range []struct {
		name string
		data []byte
		time string
		want string
	}{
		{"cut", good[:len(good)-100], "at", "invalid magic footer"},
		{"nothing but a magic number", []byte("PAR1"), "at", "reading Parquet"},
		{"no such attribute", good, "dropoff_datetime", `no column for the attribute "dropoff_datetime" among at, id, text, after`},
	} {
		_, err := parquet.Open(t.Context(), bytes.NewReader(tc.data), int64(len(tc.data)), parquet.Options{Time: tc.time, Dir: dir, Run: 1000})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := parquet.Open(ctx, bytes.NewReader(good), int64(len(good)), parquet.Options{Time: "at"}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: %v", err)
	}
	if _, err := parquet.Open(t.Context(), bytes.NewReader(good), int64(len(good)), parquet.Options{Time: "at", Dir: dir + "/none", Run: 1000}); err == nil {
		t.Error("without a folder for the temporary file: no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// FuzzOpen reads bent files: they are errors, or their lines are JSON.
func FuzzOpen(f *testing.F) {
	good := file(f, shuffled(3)...)
	f.Add(0, byte(0))
	for i := 0; i < len(good); i += 7 {
		f.Add(i, byte(i))
	}
	f.Fuzz(func(t *testing.T, at int, with byte) {
		data := bytes.Clone(good)
		data[uint(at)%uint(len(data))] ^= with
		if r, err := parquet.Open(t.Context(), bytes.NewReader(data), int64(len(data)), parquet.Options{Time: "at", First: true}); err == nil {
			r.Close()
		}
		r, err := parquet.Open(t.Context(), bytes.NewReader(data), int64(len(data)), parquet.Options{Time: "at", Dir: t.TempDir(), Run: 100})
		if err != nil {
			return
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return
		}
		for line := range bytes.Lines(text) {
			if !json.Valid(line) {
				t.Fatalf("no JSON: %q", line)
			}
		}
	})
}

// BenchmarkOpen sorts a file of 100,000 rows in several runs.
func BenchmarkOpen(b *testing.B) {
	data := file(b, shuffled(100_000)...)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := parquet.Open(b.Context(), bytes.NewReader(data), int64(len(data)), parquet.Options{Time: "at", Run: 1 << 20})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
