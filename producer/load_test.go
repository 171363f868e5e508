package producer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/producer"
)

const sec = int64(time.Second)

// TestLoadTimes holds intended times against the schedule, to the nanosecond,
// and that nothing leaves before its time nor later than the next tick.
func TestLoadTimes(t *testing.T) {
	constant := func(n uint64, span time.Duration) pace.Schedule { return pace.Constant(n, time.Second, span) }
	tests := []struct {
		name     string
		schedule pace.Schedule
		source   source
		at       func(n uint64) int64
		want     producer.LoadResult
	}{
		{
			name: "constant", schedule: constant(1000, 3*time.Second), source: source{payload: "x"},
			at:   func(n uint64) int64 { return int64(n) * 1e6 },
			want: producer.LoadResult{Scheduled: 3000, End: 3 * sec},
		},
		{
			name: "more than a batch per tick", schedule: constant(7_000_000, 5*time.Millisecond), source: source{payload: "x"},
			at:   func(n uint64) int64 { return int64(n) * sec / 7_000_000 },
			want: producer.LoadResult{Scheduled: 35_000, End: 5e6},
		},
		{
			name: "a total", schedule: pace.Limit(constant(100, time.Hour), 250), source: source{payload: "x"},
			at:   func(n uint64) int64 { return int64(n) * 1e7 },
			want: producer.LoadResult{Scheduled: 250, End: 249e7},
		},
		{
			name: "the data ends first", schedule: constant(100, time.Hour), source: source{payload: "x", size: 130},
			at:   func(n uint64) int64 { return int64(n) * 1e7 },
			want: producer.LoadResult{Scheduled: 130, End: 129e7},
		},
		{
			name: "timed", source: source{payload: "x", gap: 3 * time.Millisecond, size: 1500},
			at:   func(n uint64) int64 { return int64(n) * 3e6 },
			want: producer.LoadResult{Scheduled: 1500, End: 1499 * 3e6},
		},
		{
			name: "timed and empty", source: source{payload: "x", gap: 1, size: -1},
			want: producer.LoadResult{Scheduled: 0, End: 0},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newLoadRig(&tt.source)
				r.Schedule = tt.schedule
				res, err := r.run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				tt.want.End += r.start
				if diff := cmp.Diff(tt.want, res); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
				n := tt.want.Scheduled
				if diff := cmp.Diff(account{n, n, 0, 0}, r.account()); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
				for i, g := range r.ingress.got {
					if g.Seq != uint64(i) || g.Intended != r.start+tt.at(g.Seq) || g.At < g.Intended || g.At > g.Intended+5e5 {
						t.Fatalf("record %d: seq %d, intended %d, sent %d; want intended %d", i, g.Seq, g.Intended-r.start, g.At-r.start, tt.at(g.Seq))
					}
					if tt.schedule != nil && tt.source.seen[i] != g.Intended {
						t.Fatalf("record %d: the source was told %d, want the intended time", i, tt.source.seen[i])
					}
				}
			})
		})
	}
}

// TestLoadLate holds that a slow ingress makes records late and never fewer,
// with the intended times they would have had.
func TestLoadLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newLoadRig(&source{payload: "x"})
		r.Schedule = pace.Constant(1000, time.Second, time.Second)
		r.ingress.per, r.ingress.pause = 100, 500*time.Millisecond // 5 s for 1 s of load
		res, err := r.run(t.Context())
		if err != nil || res.Scheduled != 1000 || res.Overran {
			t.Fatalf("got %+v, %v", res, err)
		}
		last := r.ingress.got[999]
		if last.Intended != r.start+999e6 || last.At != r.start+100e6-1e6+9*5e8 {
			t.Errorf("the last record was due at %d and left at %d", last.Intended-r.start, last.At-r.start)
		}
	})
}

// TestLoadUnpaced holds that an unpaced load's records are due when they are
// taken, and that a generator is told so.
func TestLoadUnpaced(t *testing.T) {
	for _, gap := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			src := &source{payload: "x", size: 1000, gap: gap}
			r := newLoadRig(src)
			r.Unpaced = true
			r.ingress.per, r.ingress.pause = 100, time.Second
			res, err := r.run(t.Context())
			if diff := cmp.Diff(producer.LoadResult{Scheduled: 1000, End: r.start + 10*sec}, res); diff != "" || err != nil {
				t.Errorf("result (-want +got), %v:\n%s", err, diff)
			}
			for i, g := range r.ingress.got {
				if g.Intended > g.At || g.Intended < g.At-3*sec {
					t.Fatalf("gap %v: record %d was due at %d and left at %d", gap, i, g.Intended-r.start, g.At-r.start)
				}
				if gap == 0 && src.seen[i] != g.Intended {
					t.Fatalf("record %d: the source was told %d, the record says %d", i, src.seen[i], g.Intended)
				}
			}
		})
	}
}

// TestLoadEnds interrupts loads in every way and checks what they account for.
func TestLoadEnds(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name  string
		setUp func(*loadRig)
		limit time.Duration // of the caller's context, from the start of the load
		want  account
		over  bool
		err   error
	}{
		{
			name: "interrupted on schedule", limit: 400500 * time.Microsecond,
			setUp: func(r *loadRig) { r.Schedule = pace.Constant(1000, time.Second, time.Second) },
			want:  account{401, 401, 0, 0}, err: context.DeadlineExceeded,
		},
		{
			name: "interrupted while late", limit: 400500 * time.Microsecond,
			setUp: func(r *loadRig) {
				r.Schedule = pace.Constant(1000, time.Second, time.Second)
				r.ingress.per, r.ingress.pause = 100, time.Hour
			},
			want: account{401, 100, 301, 0}, err: context.DeadlineExceeded,
		},
		{
			name: "interrupted after the schedule", limit: time.Minute,
			setUp: func(r *loadRig) {
				r.Schedule = pace.Constant(1000, time.Second, time.Second)
				r.ingress.per, r.ingress.pause = 100, time.Hour
			},
			want: account{1000, 100, 900, 0}, err: context.DeadlineExceeded,
		},
		{
			name: "overtime", limit: time.Hour,
			setUp: func(r *loadRig) {
				r.Schedule, r.Overtime = pace.Constant(1000, time.Second, time.Second), 3*sec
				r.ingress.per, r.ingress.pause = 100, time.Second
			},
			want: account{1000, 400, 600, 0}, over: true,
		},
		{
			name: "timed, interrupted while late", limit: 400500 * time.Microsecond,
			setUp: func(r *loadRig) {
				r.Source = &source{payload: "x", gap: time.Millisecond}
				r.ingress.per, r.ingress.pause = 100, time.Hour
			},
			want: account{401, 100, 301, 0}, err: context.DeadlineExceeded,
		},
		{
			name: "unpaced, interrupted", limit: 2500 * time.Millisecond,
			setUp: func(r *loadRig) {
				r.Unpaced = true
				r.ingress.per, r.ingress.pause = 100, time.Second
			},
			want: account{512, 300, 212, 0}, err: context.DeadlineExceeded,
		},
		{
			name: "failing ingress", limit: time.Hour,
			setUp: func(r *loadRig) {
				r.Schedule = pace.Constant(1000, time.Second, time.Second)
				r.ingress.fail, r.ingress.limit = broken, 250
			},
			want: account{251, 250, 1, 0}, err: broken,
		},
		{
			name: "failing source", limit: time.Hour,
			setUp: func(r *loadRig) {
				r.Source = &source{payload: "x", size: 1500, err: broken}
				r.Schedule = pace.Constant(1000, time.Second, time.Hour)
			},
			want: account{1024, 1024, 0, 0}, err: broken,
		},
		{
			name: "a timeout of the source's own", limit: time.Hour,
			setUp: func(r *loadRig) {
				r.Source = &source{payload: "x", size: 100, err: context.DeadlineExceeded}
				r.Schedule, r.Overtime = pace.Constant(1000, time.Second, time.Hour), sec
			},
			want: account{1, 0, 1, 0}, err: context.DeadlineExceeded,
		},
		{
			name: "before the start", limit: -time.Millisecond,
			setUp: func(r *loadRig) { r.Schedule = pace.Constant(1000, time.Second, time.Second) },
			want:  account{0, 0, 0, 0}, err: context.DeadlineExceeded,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newLoadRig(&source{payload: "x"})
				tt.setUp(r)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second+tt.limit)
				defer cancel()
				res, err := r.run(ctx)
				if !errors.Is(err, tt.err) || res.Overran != tt.over {
					t.Errorf("ended with %v, overran %v; want %v, %v", err, res.Overran, tt.err, tt.over)
				}
				if diff := cmp.Diff(tt.want, r.account()); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
				if res.Scheduled != tt.want.Scheduled {
					t.Errorf("the result has %d scheduled, the ledger %d", res.Scheduled, tt.want.Scheduled)
				}
			})
		})
	}
}

// TestLoadStamps reads back what each carrier wrote.
func TestLoadStamps(t *testing.T) {
	const object = `{"fare":4.5}`
	for _, c := range []trace.Carrier{trace.Prefix, trace.JSON, trace.Tag, trace.None} {
		t.Run(c.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newLoadRig(&source{payload: object})
				r.Schedule, r.Carrier, r.Run = pace.Constant(3000, time.Second, time.Second), c, 99
				if _, err := r.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				reader := trace.NewReader(c)
				for i, g := range r.ingress.got {
					s, payload, ok, intact := reader.Read([]byte(g.Data), []byte(g.Tag))
					if c == trace.None {
						if g.Data != object || g.Tag != "" {
							t.Fatalf("record %d became %q", i, g.Data)
						}
						continue
					}
					want := trace.Stamp{Run: 99, Producer: r.Ledger.Producer(), Seq: uint64(i), T0: g.Intended, CRC: s.CRC}
					if diff := cmp.Diff(want, s); diff != "" || !ok || !intact {
						t.Fatalf("record %d, found %v, intact %v (-want +got):\n%s", i, ok, intact, diff)
					}
					if c != trace.JSON && string(payload) != object {
						t.Fatalf("record %d carries %q", i, payload)
					}
				}
			})
		})
	}
}

// TestLoadRefuses holds the errors of records that cannot be keyed or stamped:
// they end the load and come with advice.
func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name  string
		setUp func(*loadRig)
		want  error
		text  string
	}{
		{"a payload that is no object", func(r *loadRig) { r.Carrier = trace.JSON }, trace.ErrNotObject, "stamping a record: record 0"},
		{
			"a missing key field",
			func(r *loadRig) { r.Keys = (&producer.FieldKeys{Name: "zone", Missing: "error"}).Keyer(1) }, kload.ErrInvalid, `no usable attribute "zone"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newLoadRig(&source{payload: "plain text"})
				r.Schedule = pace.Constant(10, time.Second, time.Second)
				tt.setUp(r)
				_, err := r.run(t.Context())
				var hint *kload.HintError
				if !errors.Is(err, tt.want) || !errors.As(err, &hint) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("ended with %v, want %v with a hint and %q", err, tt.want, tt.text)
				}
				if diff := cmp.Diff(account{1, 0, 1, 0}, r.account()); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
			})
		})
	}
}
