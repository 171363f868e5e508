package results_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/results"
)

func judged(t *testing.T, s *results.Summary, exprs ...string) *results.Summary {
	t.Helper()
	compiled, err := results.Compile(exprs, owners)
	if err != nil {
		t.Fatal(err)
	}
	s.Expect = judge(compiled, s)
	s.Judge(results.DefaultDeliveredRatio)
	return s
}

// phased is a run of three phases that an expectation has ended in the second.
func phased() *results.Summary {
	s := passed()
	s.Aborted = "fares.e2e.read.p99@high < 500ms was not met for 10s, the last time with 812ms"
	s.Phases = []results.Phase{
		{Name: "warm-up", WallS: 10, Counts: map[string]map[string]uint64{"trips": {"acked": 1000}}},
		{
			Name: "high", WallS: 21, Counts: map[string]map[string]uint64{"trips": {"acked": 192891, "throttled": 12}},
			Hops: map[string]results.HopStats{"fares/e2e.read": {Count: 9, P99: 812e6}, "trips/response": {Count: 9, P99: 7e6}},
		},
		{Name: "never"},
	}
	return s
}

func TestWriteText(t *testing.T) {
	exprs := []string{
		"fares.lost == 0", "delivered_ratio >= 0.99", "fares.e2e.read.p99 < 1s",
		"fares.e2e.sink.p99 < 1s && fares.duplicates + fares.redelivered + fares.corrupt + fares.misrouted == 0",
	}
	long := broken()
	long.Consumers[strings.Repeat("a_consumer_with_a_long_name_", 3)] = long.Consumers["fares"]
	long.Target.Detail = strings.Repeat("(many words about the target) ", 6)
	long.Consumers["fares"].Sinks = map[string]results.SinkCounts{"dear": {Routed: 5000, Sunk: 4305}, "cheap": {Routed: 4695, Sunk: 4695}}
	empty := results.NewSummary("nothing", "0000")
	empty.UnreachableReason = "connecting to kinesis.eu-west-1.amazonaws.com: no such host"
	tests := []struct {
		name string
		s    *results.Summary
		opts results.TextOptions
	}{
		{"pass", judged(t, passed(), exprs[:3]...), results.TextOptions{Dir: "kload-results/x"}},
		{"fail", judged(t, broken(), exprs...), results.TextOptions{Dir: "kload-results/x"}},
		{"long", judged(t, long), results.TextOptions{}},
		{"unreachable", judged(t, empty), results.TextOptions{}},
		{"phases", judged(t, phased()), results.TextOptions{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := results.WriteText(&out, tt.s, tt.opts); err != nil {
				t.Fatal(err)
			}
			narrow(t, out.String())
			golden(t, "text_"+tt.name+".txt", out.String())

			var coloured strings.Builder
			tt.opts.Color = true
			if err := results.WriteText(&coloured, tt.s, tt.opts); err != nil {
				t.Fatal(err)
			}
			plain := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[0m", "").Replace(coloured.String())
			if d := cmp.Diff(out.String(), plain); d != "" {
				t.Errorf("colours change the text (-plain +coloured)\n%s", d)
			}
			if plain == coloured.String() {
				t.Error("no colours although asked for")
			}
		})
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWritersReportErrors(t *testing.T) {
	w := brokenWriter{errors.New("closed pipe")}
	s := passed()
	c, err := results.Compare([]*results.Run{results.NewRun(s)}, []*results.Run{results.NewRun(s)}, results.CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"text":     results.WriteText(w, s, results.TextOptions{}),
		"bench":    results.WriteBench(w, s),
		"compare":  results.WriteCompare(w, c, false),
		"progress": results.NewProgress(w, true, 80).Update(results.ProgressSample{}),
	} {
		if !errors.Is(err, w.err) {
			t.Errorf("%s: error %v, want %v", name, err, w.err)
		}
	}
}

func TestProgressLine(t *testing.T) {
	full := results.ProgressSample{
		Phase: "steady", Elapsed: 12 * time.Second, Total: 90 * time.Second, Scheduled: 60000, Acked: 59990,
		Rejected: 3, Unknown: 1, AckedPerS: 4999.6, Outstanding: 120, ResponseP99: 12_300_000,
		EndToEndP99: 340_000_000, Throttled: 7, WriteProblems: 1,
	}
	tests := []struct {
		name  string
		s     results.ProgressSample
		width int
		want  string
	}{
		{"start", results.ProgressSample{}, 0, "0ns  0 of 0 acked  0/s"},
		{"full", full, 0, "steady 12.0s/1m30s  59,990 of 60,000 acked  5,000/s  3 rejected  1 unknown  results incomplete  " +
			"120 to read  response p99 12.3ms  end to end p99 340ms  7 throttled"},
		{"least important left out", full, 70, "steady 12.0s/1m30s  59,990 of 60,000 acked  5,000/s  3 rejected"},
		{"clipped", full, 10, "steady 12…"},
	}
	for _, tt := range tests {
		if got := tt.s.Line(tt.width); got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

func TestProgressWriter(t *testing.T) {
	show := func(terminal bool) string {
		var out strings.Builder
		p := results.NewProgress(&out, terminal, 80)
		for i := range 15 { // a run of 12 s and the beginning of another
			if err := p.Update(results.ProgressSample{Elapsed: time.Duration(i%12) * time.Second}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := p.Clear(); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	plain := show(false)
	want := "kload: 0ns  0 of 0 acked  0/s\nkload: 5.00s  0 of 0 acked  0/s\nkload: 10.0s  0 of 0 acked  0/s\n" +
		"kload: 0ns  0 of 0 acked  0/s\n"
	if d := cmp.Diff(want, plain); d != "" {
		t.Errorf("plain (-want +got)\n%s", d)
	}
	drawn := show(true)
	if n := strings.Count(drawn, "\r\x1b[K"); n != 16 || strings.Contains(drawn, "\n") {
		t.Errorf("%d redraws with newline %v, want 16 without", n, strings.Contains(drawn, "\n"))
	}
}

// TestPollingFloor states what polling adds beside what was measured.
func TestPollingFloor(t *testing.T) {
	for _, tc := range []struct {
		fetch results.HopStats
		want  string
	}{
		{results.HopStats{}, "fares: polls every 200ms, so fetch should be 100ms on average and 198ms at p99, or more latency"},
		{results.HopStats{Count: 9, Mean: 112e6}, "or more; its mean was 112ms latency"},
		{results.HopStats{Count: 9, Mean: 49e6}, "or more; its mean was 49.0ms, which is suspicious latency"},
	} {
		s := passed()
		s.Consumers["fares"].Polling = &results.PollingFloor{Every: 200e6, Mean: 100e6, P99: 198e6}
		s.Hops["fares/fetch"] = tc.fetch
		var out strings.Builder
		if err := results.WriteText(&out, s, results.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text, tc.want) {
			t.Errorf("no %q in\n%s", tc.want, out.String())
		}
	}
}

// TestSkew says that a shard gets more than the others, unless they were not the
// same shards all the time.
func TestSkew(t *testing.T) {
	for began, want := range map[int]bool{2: true, 1: false} {
		s := broken()
		s.Load["trips"].Shards.Of = began
		var out strings.Builder
		if err := results.WriteText(&out, s, results.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "even share"); got != want {
			t.Errorf("began with %d shards: %v, want %v", began, got, want)
		}
	}
}

// TestBenchCountsTheDriver has the cost of a record include the driver's process,
// as a comparison does: the drivers would not be comparable otherwise.
func TestBenchCountsTheDriver(t *testing.T) {
	var out strings.Builder
	if err := results.WriteBench(&out, broken()); err != nil {
		t.Fatal(err)
	}
	if want := "/process 1 22963 cpu-ns/record 128000000 max-rss-bytes\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("want the end %q, got\n%s", want, out.String())
	}
}
