package scenarios_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestNothingStarted has runs fail before the first record: there is no summary,
// and neither files nor streams nor goroutines are left.
func TestNothingStarted(t *testing.T) {
	taken := func() *network {
		n := newNetwork()
		n.ready = func(ctx context.Context) error { return premake(ctx, n, "kload") }
		return n
	}
	tests := []struct {
		name    string
		lines   []string
		net     func() *network
		inject  string
		want    error
		message string
		deletes int // of streams
	}{
		{name: "stream exists", net: taken, want: kload.ErrUnreachable, message: "creating stream kload"},
		{name: "stream does not exist", lines: []string{"stream: {create: false}"}, want: kload.ErrUnreachable, message: "waiting for stream kload"},
		{
			name: "no data", lines: []string{"load: {events: {source: {replay: {from: 'file:///dev/null/none'}}}}"},
			want: kload.ErrInvalid, message: "opening the source of load events", deletes: 1,
		},
		{
			name: "one of several sinks cannot be opened", lines: []string{routed("route: ticker", "AMZN: file, rest: {file: {name: a/b}}")},
			want: kload.ErrInvalid, message: "opening the sink of consumer reader: sink rest: ", deletes: 1,
		},
		{name: "bad mutation", inject: "drop=0@target", want: kload.ErrInvalid, message: `--inject "drop=0@target"`},
	}
	for _, tt := range tests {
		for _, existed := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := scenarios.RunOptions{Out: filepath.Join(t.TempDir(), "run")}
					net := newNetwork()
					if tt.net != nil {
						net = tt.net()
					}
					o.Memory = net
					if tt.inject != "" {
						o.Inject = []string{tt.inject}
					}
					if existed {
						if err := os.Mkdir(o.Out, 0o755); err != nil {
							t.Fatal(err)
						}
					}
					out := run(t.Context(), t, scenario(tt.lines...), o)
					if out.Summary != nil || !errors.Is(out.err, tt.want) || !strings.Contains(out.err.Error(), tt.message) {
						t.Errorf("summary %v, error %v", out.Summary, out.err)
					}
					left, err := os.ReadDir(o.Out)
					if gone := errors.Is(err, os.ErrNotExist); gone == existed || len(left) > 0 {
						t.Errorf("the run directory existed before: %t; now it holds %v (%v)", existed, left, err)
					}
					if n := net.calls("DeleteStream"); n != tt.deletes {
						t.Errorf("%d streams deleted, want %d", n, tt.deletes)
					}
				})
			})
		}
	}
}

func TestInjectProblems(t *testing.T) {
	for inject, message := range map[string]string{
		"":                       "not of the form",
		"drop@target":            "not of the form",
		"drop=x@target":          "not of the form",
		"drop=-1@target":         "not of the form",
		"lose=1@target":          "not of the form",
		"drop=1@consumer:nope":   `no consumer "nope"; there are: reader`,
		"drop=1@consumer":        `no consumer ""`,
		"drop=1@reader":          `nothing to drop at "reader"`,
		"drop=1@target:0":        `nothing to drop at "target:0"`,
		"dup=1@sink:reader":      `nothing to dup at "sink:reader"`,
		"drop=1@sink:reader.a":   `consumer reader has no sink "a" among several`,
		"drop=1@consumer:stocks": `no consumer "stocks"`,
	} {
		s := open(t, "quickstart", scenarios.OpenOptions{})
		_, err := scenarios.Run(t.Context(), s, scenarios.RunOptions{Out: filepath.Join(t.TempDir(), "run"), Inject: []string{inject}})
		if !errors.Is(err, kload.ErrInvalid) || !strings.Contains(err.Error(), message) {
			t.Errorf("%q: %v", inject, err)
		}
	}
	s := open(t, "quickstart", scenarios.OpenOptions{Target: "aws"})
	_, err := scenarios.Run(t.Context(), s, scenarios.RunOptions{Out: filepath.Join(t.TempDir(), "run"), Inject: []string{"drop=1@target"}})
	if !errors.Is(err, kload.ErrInvalid) || !strings.Contains(err.Error(), "only the embedded target") {
		t.Errorf("on AWS: %v", err)
	}
}

// TestBrokenOff has runs fail on the way. They end soon, the books balance, and
// the summary says what happened.
func TestBrokenOff(t *testing.T) {
	const slow = "rate: {profile: [{constant: 100/s, for: 60s}]}"
	tests := []struct {
		name    string
		src     string
		during  func(o *scenarios.RunOptions, net *network, cancel context.CancelFunc)
		verdict results.Verdict
		exit    int
		err     error  // nil expects none
		message string // in the error
		within  time.Duration
	}{
		{
			name: "a load fails and takes the other along",
			src: scenario("load: {good: {source: {generate: {stock: {}}}, " + slow + "}, " +
				"bad: {source: {generate: {stock: {}}}, in_flight: 1, total: 10, keys: {field: {name: nope}}}}"),
			verdict: results.Errored, exit: 2, err: kload.ErrInvalid, message: "load bad: keying a record", within: 3 * time.Second,
		},
		{
			name: "the results cannot be opened",
			src:  scenario(events(slow)),
			during: func(o *scenarios.RunOptions, _ *network, _ context.CancelFunc) {
				o.Started = func(dir string) {
					if err := os.Mkdir(filepath.Join(dir, results.FileHlog), 0o755); err != nil {
						panic(err)
					}
				}
			},
			verdict: results.Errored, exit: 1, message: results.FileHlog, within: 3 * time.Second,
		},
		{
			name: "the target ends by itself",
			src:  scenario(events(slow)),
			during: func(_ *scenarios.RunOptions, net *network, _ context.CancelFunc) {
				time.AfterFunc(3*time.Second, func() { net.Close() })
			},
			verdict: results.Unreachable, exit: 5, err: kload.ErrUnreachable, message: "ended by itself", within: 6 * time.Second,
		},
		{
			name: "the target ends while draining",
			src:  scenario(events("rate: {profile: [{constant: 1/s, for: 1s}]}")),
			during: func(_ *scenarios.RunOptions, net *network, _ context.CancelFunc) {
				net.lose = func(op string, _ int) bool { return op == "GetRecords" || op == "PutRecords" }
				time.AfterFunc(3*time.Second, func() { net.Close() })
			},
			verdict: results.Unreachable, exit: 5, err: kload.ErrUnreachable, message: "ended by itself", within: 6 * time.Second,
		},
		{
			name: "interrupted while no reader can be positioned",
			src:  scenario(events(slow)),
			during: func(_ *scenarios.RunOptions, net *network, cancel context.CancelFunc) {
				net.lose = func(op string, _ int) bool { return op == "GetShardIterator" }
				time.AfterFunc(3*time.Second, cancel)
			},
			verdict: results.Interrupted, exit: 130, within: 4 * time.Second,
		},
		{
			name: "interrupted before the first record is due",
			src:  scenario(events(slow)),
			during: func(_ *scenarios.RunOptions, _ *network, cancel context.CancelFunc) {
				time.AfterFunc(20*time.Millisecond, cancel)
			},
			verdict: results.Interrupted, exit: 130, within: 3 * time.Second,
		},
		{
			name: "interrupted while draining",
			src:  scenario(events("rate: {profile: [{constant: 1/s, for: 1s}]}"), "drain_timeout: 1h"),
			during: func(o *scenarios.RunOptions, _ *network, cancel context.CancelFunc) {
				o.Inject = []string{"drop=1@target"} // it waits for what will not come
				time.AfterFunc(1500*time.Millisecond, cancel)
			},
			verdict: results.Interrupted, exit: 130, within: 5 * time.Second,
		},
		{
			name: "interrupted while no call is answered", // 10 s in all, to write and to read
			src:  scenario(events(slow)),
			during: func(_ *scenarios.RunOptions, net *network, cancel context.CancelFunc) {
				began := time.Now()
				net.lose = func(op string, _ int) bool {
					return time.Since(began) > 2*time.Second && (op == "GetRecords" || op == "PutRecords")
				}
				time.AfterFunc(3*time.Second, cancel)
			},
			verdict: results.Interrupted, exit: 130, within: 15 * time.Second,
		},
		{
			name: "a loss that is certain is not waited for",
			src:  scenario(events("rate: {profile: [{constant: 1/s, for: 1s}]}"), "drain_timeout: 1h"),
			during: func(o *scenarios.RunOptions, _ *network, _ context.CancelFunc) {
				o.Inject = []string{"drop=1@target"}
			},
			verdict: results.Fail, exit: 3, within: 10 * time.Second,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began := time.Now()
				net := newNetwork()
				o := scenarios.RunOptions{Memory: net}
				if tt.during != nil {
					tt.during(&o, net, cancel)
				}
				out := run(ctx, t, tt.src, o)
				out.judged(t, tt.verdict, tt.exit)
				if (out.err != nil) != (tt.message != "") || tt.err != nil && !errors.Is(out.err, tt.err) ||
					out.err != nil && !strings.Contains(out.err.Error(), tt.message) {
					t.Errorf("error %v, want %q", out.err, tt.message)
				}
				if took := time.Since(began); took > tt.within {
					t.Errorf("took %v, want at most %v", took, tt.within)
				}
				for _, p := range out.Phases {
					if p.WallS < 0 {
						t.Errorf("phase %+v", p)
					}
				}
			})
		})
	}
}

// TestInterruptedEarly ends the context before anything is set up.
func TestInterruptedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		o := run(ctx, t, scenario(), scenarios.RunOptions{})
		if o.Summary != nil || !errors.Is(o.err, context.Canceled) {
			t.Errorf("summary %v, error %v", o.Summary, o.err)
		}
		if _, err := os.Stat(o.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the run directory is left: %v", err)
		}
	})
}
