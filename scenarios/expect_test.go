package scenarios_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// TestAbortAfter runs a load of half a minute whose records take 50 ms, under
// expectations that may end it.
func TestAbortAfter(t *testing.T) {
	tests := []struct {
		name, expect string
		wall         float64 // seconds, give or take one
		aborted      string
	}{
		{"met", "{expr: events.response.p99 < 1s, abort_after: 2s}", 30, ""},
		{"never met", "{expr: events.response.p50 < 1ms, abort_after: 3s}", 4, "events.response.p50 < 1ms was not met for 3s, the last time with 1"}, // 100ms or 110ms, by who comes first in the last instant,
		{"only judged at the end", "events.response.p50 < 1ms", 30, ""},
		{"met again in time", "{expr: events.acked > 1k, abort_after: 15s}", 30, ""},
		{"met too late", "{expr: events.acked > 1k, abort_after: 5s}", 6, "events.acked > 1k was not met"},
		{"of a phase to come", "{expr: events.put.p50@late < 1ms, abort_after: 2s}", 18, "events.put.p50@late < 1ms"},
		{"of what has no samples", "{expr: reader.e2e.read.p50@late > 1ms, abort_after: 2s}", 30, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := run(t.Context(), t, scenario(events("rate: 100/s"), "target: {latency: {put: 50ms}}",
					"phases: [{name: early, for: 15s}, {name: late, for: 15s}]", "expect: ["+tt.expect+"]"), scenarios.RunOptions{})
				wall := o.Phases[0].WallS + o.Phases[1].WallS
				if wall < tt.wall-1 || wall > tt.wall+1 {
					t.Errorf("the load went on for %gs, want about %gs", wall, tt.wall)
				}
				if got := o.Aborted; !strings.HasPrefix(got, tt.aborted) || (tt.aborted == "") != (got == "") {
					t.Errorf("ended early because %q, want %q", got, tt.aborted)
				}
				if tt.aborted == "" {
					return
				}
				o.judged(t, results.Fail, 3)
				if !strings.Contains(strings.Join(o.Reasons, "\n"), "ended early: "+tt.aborted) || o.err != nil {
					t.Errorf("reasons %q, error %v", o.Reasons, o.err)
				}
				// One record may be due in the very instant in which the load is ended.
				if l := o.ledger("reader"); l.Lost+l.Unknown > 0 || l.Unsent > 1 || l.ReadUnique != l.Acked {
					t.Errorf("what was sent is not accounted for: %+v", l)
				}
			})
		})
	}
}

func TestExpectProblems(t *testing.T) {
	for expect, want := range map[string]string{
		"events.lag_dropped == 0":                                             `unknown name "events.lag_dropped"`, // of replays
		"events.watermarks_sent == 0":                                         `unknown name "events.watermarks_sent"`,
		"{expr: reader.lost == 0, abort_after: 1s}":                           "reader.lost is known only at the end of the run",
		"{expr: process.target.cpu_s < 3, abort_after: 1s}":                   "process.target.cpu_s is known only at the end",
		"{expr: reader.ok > 0, abort_after: -1s}":                             "a duration is not negative",
		"{abort_after: 1s}":                                                   `the key "expr" is required`,
		"reader.ok@late > 0":                                                  `column 10: there is no phase "late" (there are: run)`,
		"{expr: 'reader.ok > 0 && reader.e2e.read.p99 < 5', abort_after: 1s}": "column 38: compares a time with a plain number",
	} {
		_, err := scenarios.Decode("test.yaml", []byte(scenario("expect: [reader.lost == 0, "+expect+"]")), scenarios.OpenOptions{})
		var problems conf.Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems[0].Error(), want) || problems[0].Line == 0 {
			t.Errorf("%s: %v, want one problem: %s", expect, err, want)
		}
	}
}
