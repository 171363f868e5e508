package hdr_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
)

const (
	us = int64(time.Microsecond)
	ms = int64(time.Millisecond)
	hr = int64(time.Hour)
)

func TestRecordRules(t *testing.T) {
	type want struct {
		Count, Max, P50 int64
		hdr.Odd
	}
	tests := []struct {
		name   string
		hop    kload.Hop
		values []int64
		want   want
	}{
		{"in range", kload.HopPut, []int64{5 * ms}, want{Count: 1, Max: 5 * ms, P50: 5 * ms}},
		{"zero", kload.HopPut, []int64{0}, want{Count: 1}},
		{"below the lowest value", kload.HopPut, []int64{300}, want{Count: 1, Max: 300}},
		{"exactly an hour", kload.HopPut, []int64{hr}, want{Count: 1, Max: hr, P50: hr}},
		{
			"over range keeps the exact maximum", kload.HopPut,
			[]int64{3*hr + 7},
			want{Count: 1, Max: 3*hr + 7, P50: hr, Odd: hdr.Odd{OverRange: 1}},
		},
		{
			"largest int64", kload.HopPut,
			[]int64{1<<63 - 1},
			want{Count: 1, Max: 1<<63 - 1, P50: hr, Odd: hdr.Odd{OverRange: 1}},
		},
		{"negative on one clock", kload.HopPut, []int64{-1}, want{Odd: hdr.Odd{Negative: 1}}},
		{"smallest int64", kload.HopArrive, []int64{-1 << 63}, want{Odd: hdr.Odd{Negative: 1}}},
		{
			"cross clock within the resolution", kload.HopArrive,
			[]int64{-ms, -1, 0, ms},
			want{Count: 4, Odd: hdr.Odd{BelowResolution: 4}},
		},
		{
			"half below the resolution shows as 0, not as its bucket's edge", kload.HopArrive,
			[]int64{0, 0, 5 * ms},
			want{Count: 3, Max: 5 * ms, Odd: hdr.Odd{BelowResolution: 2}},
		},
		{
			"cross clock just outside", kload.HopFetch,
			[]int64{-ms - 1, ms + 1},
			want{Count: 1, Max: ms + 1, P50: ms + 1, Odd: hdr.Odd{Negative: 1}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := hdr.NewSet("x", tt.hop)
			r := s.NewRecorder()
			r.Lock()
			for _, v := range tt.values {
				r.Record(tt.hop, v)
			}
			r.Unlock()
			s.Rotate()
			totals := s.Totals()
			if len(totals) != 1 {
				t.Fatalf("got %d totals, want 1", len(totals))
			}
			got := want{totals[0].Count, totals[0].Max, totals[0].P50, totals[0].Odd}
			within := cmp.Comparer(func(a, b int64) bool { // three digits
				return a == b || (a > 1000*us && max(a-b, b-a) <= a/1000)
			})
			if d := cmp.Diff(tt.want, got, within); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if got.Max != tt.want.Max {
				t.Errorf("max %d, want exactly %d", got.Max, tt.want.Max)
			}
		})
	}
}

func TestRotateMergesWorkersAndHops(t *testing.T) {
	s := hdr.NewSet("reader", kload.HopFetch)
	a, b := s.NewRecorder(), s.NewRecorder()
	record := func(r *hdr.Recorder, h kload.Hop, v, n int64) {
		r.Lock()
		defer r.Unlock()
		r.RecordN(h, v, n)
	}
	record(a, kload.HopFetch, 10*ms, 3)
	record(b, kload.HopFetch, 20*ms, 1)
	record(b, kload.HopHandle, 2*ms, 5) // not announced to NewSet
	record(b, kload.HopHandle, 2*ms, 0)
	record(b, kload.HopHandle, 2*ms, -4)

	type row struct {
		Hop        string
		Count, Max int64
	}
	rows := func(ivs []hdr.Interval) (out []row) {
		for _, iv := range ivs {
			out = append(out, row{iv.Hop.String(), iv.Histogram.TotalCount(), iv.Max})
		}
		return out
	}
	if d := cmp.Diff([]row{{"fetch", 4, 20 * ms}, {"handle", 5, 2 * ms}}, rows(s.Rotate())); d != "" {
		t.Errorf("first interval (-want +got)\n%s", d)
	}
	record(a, kload.HopFetch, 30*ms, 1)
	if d := cmp.Diff([]row{{"fetch", 1, 30 * ms}}, rows(s.Rotate())); d != "" {
		t.Errorf("second interval (-want +got)\n%s", d)
	}
	if got := s.Rotate(); got != nil {
		t.Errorf("an idle interval has %d hops, want none", len(got))
	}
	var totals []row
	for _, h := range s.Totals() {
		totals = append(totals, row{h.Hop.String(), h.Count, h.Max})
	}
	if d := cmp.Diff([]row{{"fetch", 5, 30 * ms}, {"handle", 5, 2 * ms}}, totals); d != "" {
		t.Errorf("totals (-want +got)\n%s", d)
	}
}

func TestRotateLosesNothingWhileRecording(t *testing.T) {
	const workers, batches, per = 4, 200, 50
	s := hdr.NewSet("x", kload.HopPut, kload.HopBuffer)
	var wg sync.WaitGroup
	for range workers {
		r := s.NewRecorder()
		wg.Go(func() {
			for i := range int64(batches) {
				r.Lock()
				for j := range int64(per) {
					r.Record(kload.HopPut, i*us+j)
					r.RecordN(kload.HopBuffer, j*us, 2)
				}
				r.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var seen int64
	count := func() {
		for _, iv := range s.Rotate() {
			seen += iv.Histogram.TotalCount()
		}
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			count()
		}
	}
	count()
	if want := int64(workers * batches * per * 3); seen != want {
		t.Errorf("intervals hold %d values, want %d", seen, want)
	}
	var total int64
	for _, h := range s.Totals() {
		total += h.Count
	}
	if total != seen {
		t.Errorf("totals hold %d values, intervals %d", total, seen)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	s := hdr.NewSet("x", kload.HopPut, kload.HopArrive)
	r := s.NewRecorder()
	v := int64(0)
	n := testing.AllocsPerRun(1000, func() {
		v += 977
		r.Lock()
		r.Record(kload.HopPut, v)
		r.RecordN(kload.HopArrive, v-5*ms, 3)
		r.Record(kload.HopPut, 2*hr)
		r.Unlock()
	})
	if n != 0 {
		t.Errorf("%v allocations per batch, want 0", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	s := hdr.NewSet("x", kload.HopPut)
	r := s.NewRecorder()
	r.Lock()
	defer r.Unlock()
	b.ReportAllocs()
	v := int64(0)
	for b.Loop() {
		v = (v + 7919) & (1<<27 - 1)
		r.Record(kload.HopPut, v)
	}
}

func BenchmarkRotate(b *testing.B) {
	hops := []kload.Hop{kload.HopGenLag, kload.HopBuffer, kload.HopRetry, kload.HopPut, kload.HopResponse}
	s := hdr.NewSet("x", hops...)
	recorders := []*hdr.Recorder{s.NewRecorder(), s.NewRecorder(), s.NewRecorder(), s.NewRecorder()}
	b.ReportAllocs()
	for b.Loop() {
		for i, r := range recorders {
			r.Lock()
			for _, h := range hops {
				for j := range int64(100) {
					r.Record(h, j*j*us+int64(i))
				}
			}
			r.Unlock()
		}
		s.Rotate()
	}
}

func TestPhases(t *testing.T) {
	s := hdr.NewSet("x", kload.HopPut)
	r := s.NewRecorder()
	record := func(v int64, phases ...int) {
		r.Lock()
		defer r.Unlock()
		for _, p := range phases {
			r.In(p)
			r.Record(kload.HopPut, v)
		}
	}
	record(1*ms, 0, 0, 2, -1)
	s.Rotate()
	record(5*ms, 2, 0) // a straggler of a phase that is over
	r.Lock()
	r.Record(kload.HopPut, 9*ms) // after Lock nothing belongs to a phase
	r.Unlock()
	if iv := s.Rotate(); len(iv) != 1 || iv[0].Histogram.TotalCount() != 3 {
		t.Errorf("the interval over all phases is %+v", iv)
	}
	type row struct{ Count, Max int64 }
	got := map[string]row{}
	add := func(name string, totals []hdr.HopTotal) {
		for _, h := range totals {
			got[name+"/"+h.Hop.String()] = row{h.Count, h.Max}
		}
	}
	add("all", s.Totals())
	for i, name := range []string{"0", "1", "2", "3"} {
		add(name, s.PhaseTotals(i))
	}
	add("none", s.PhaseTotals(-1))
	want := map[string]row{"all/put": {7, 9 * ms}, "0/put": {3, 5 * ms}, "2/put": {2, 5 * ms}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestPhasesTurnOver goes through a hundred phases, one a second, and checks
// that recorders pass their memory on and allocate nothing while recording.
func TestPhasesTurnOver(t *testing.T) {
	s := hdr.NewSet("x", kload.HopPut)
	r := s.NewRecorder()
	second := func(phase int) {
		r.Lock()
		r.In(max(0, phase-1))
		r.Record(kload.HopPut, ms)
		r.In(phase)
		r.Record(kload.HopPut, ms)
		r.Unlock()
		s.Rotate()
	}
	for phase := range 100 {
		second(phase)
	}
	if got := s.PhaseTotals(98)[0].Count; got != 2 {
		t.Errorf("phase 98 has %d values, want 2", got)
	}
	recording := testing.AllocsPerRun(100, func() {
		r.Lock()
		for range 100 {
			r.In(99)
			r.Record(kload.HopPut, ms)
		}
		r.Unlock()
	})
	if recording != 0 {
		t.Errorf("recording allocates %v times", recording)
	}
}
