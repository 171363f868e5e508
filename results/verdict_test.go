package results_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/kload/kload/results"
)

func TestJudge(t *testing.T) {
	type edit func(*results.Summary)
	load := func(f func(*results.LoadCounts)) edit { return func(s *results.Summary) { f(s.Load["trips"]) } }
	cons := func(f func(*results.ConsumerCounts)) edit {
		return func(s *results.Summary) { f(s.Consumers["fares"]) }
	}
	expectFails := func(s *results.Summary) {
		s.Expect = []results.ExpectResult{{Expr: "a.b == 0", Result: "fail", Value: "1"}, {Expr: "c", Result: "pass"}}
	}
	late := load(func(l *results.LoadCounts) { l.DeliveredRatio = 0.98999 })
	lost := cons(func(c *results.ConsumerCounts) { c.Lost = 1 })
	tests := []struct {
		name    string
		edits   []edit
		verdict results.Verdict
		exit    int
		reasons []string
	}{
		{name: "good", verdict: results.Pass},
		{name: "exactly at the limit", edits: []edit{load(func(l *results.LoadCounts) { l.DeliveredRatio = 0.99 })}, verdict: results.Pass},
		{name: "nothing scheduled", edits: []edit{func(s *results.Summary) { s.Load["trips"] = &results.LoadCounts{} }}, verdict: results.Pass},
		{
			"below the limit",
			[]edit{late},
			results.NotDelivered, 4,
			[]string{"trips: delivered 98.99% of 193,891 scheduled records in time, below 99.00%"},
		},
		{"ratio not a number", []edit{load(func(l *results.LoadCounts) { l.DeliveredRatio = math.NaN() })}, results.NotDelivered, 4, []string{"delivered -"}},
		{"lost", []edit{lost}, results.Fail, 3, []string{"fares: lost 1, expected 0"}},
		{"duplicates", []edit{cons(func(c *results.ConsumerCounts) { c.Duplicates = 1 })}, results.Fail, 3, []string{"fares: duplicates 1"}},
		{"corrupt", []edit{cons(func(c *results.ConsumerCounts) { c.Corrupt = 1 })}, results.Fail, 3, []string{"fares: corrupt 1"}},
		{"misrouted", []edit{cons(func(c *results.ConsumerCounts) { c.Misrouted = 1 })}, results.Fail, 3, []string{"fares: misrouted 1"}},
		{"reordered", []edit{cons(func(c *results.ConsumerCounts) { c.Reordered = 1 })}, results.Fail, 3, []string{"fares: reordered 1"}},
		{"phantom", []edit{cons(func(c *results.ConsumerCounts) { c.Phantom = 1 })}, results.Fail, 3, []string{"fares: phantom 1"}},
		{"sunk too few", []edit{cons(func(c *results.ConsumerCounts) { c.Sunk-- })}, results.Fail, 3, []string{"fares: ok 9,695, but sunk 9,694"}},
		{"sunk too many", []edit{cons(func(c *results.ConsumerCounts) { c.Sunk++ })}, results.Fail, 3, []string{"fares: ok 9,695, but sunk 9,696"}},
		{
			"sunk by the wrong sink", // the sum is right
			[]edit{cons(func(c *results.ConsumerCounts) {
				c.Sinks = map[string]results.SinkCounts{"dear": {Routed: 5000, Sunk: 5001}, "cheap": {Routed: 4695, Sunk: 4694}}
			})},
			results.Fail, 3,
			[]string{"fares: routed 4,695 to sink cheap, but sunk 4,694", "fares: routed 5,000 to sink dear, but sunk 5,001"},
		},
		{"read but not handled", []edit{cons(func(c *results.ConsumerCounts) { c.ReadUnique++ })}, results.Fail, 3, []string{"fares: read_unique 193,892, but"}},
		{"scheduled without a fate", []edit{load(func(l *results.LoadCounts) { l.Scheduled++ })}, results.Fail, 3, []string{"trips: scheduled 193,892, but"}},
		{"sent without a fate", []edit{load(func(l *results.LoadCounts) { l.Acked-- })}, results.Fail, 3, []string{"trips: sent 193,891, but"}},
		{
			"a load not delivered wins over expectations",
			[]edit{late, expectFails},
			results.NotDelivered, 4,
			[]string{"delivered 98.99%", "expected a.b == 0, got 1"},
		},
		{
			"the ledger wins over a load not delivered",
			[]edit{late, lost, expectFails},
			results.Fail, 3,
			[]string{"lost 1", "delivered 98.99%", "expected a.b == 0, got 1"},
		},
		{"expectation", []edit{expectFails}, results.Fail, 3, []string{"expected a.b == 0, got 1"}},
		{"ledger wins over not delivered", []edit{late, lost}, results.Fail, 3, []string{"lost 1", "delivered 98.99%"}},
		{
			"invalid wins over both",
			[]edit{late, lost, func(s *results.Summary) { s.InvalidReason = "trimmed" }},
			results.Invalid, 3,
			[]string{"invalid: trimmed", "lost 1", "delivered"},
		},
		{
			"unreachable",
			[]edit{lost, func(s *results.Summary) { s.UnreachableReason = "no host" }},
			results.Unreachable, 5,
			[]string{"no host", "lost 1"},
		},
		{
			"interrupted wins over all",
			[]edit{late, lost, expectFails, func(s *results.Summary) { s.Interrupted, s.InvalidReason = true, "x" }},
			results.Interrupted, 130,
			[]string{"interrupted", "invalid: x", "lost 1", "delivered", "expected a.b"},
		},
		{
			"bad input broke it off",
			[]edit{late, func(s *results.Summary) { s.Break(errors.New("corrupt block"), 2) }},
			results.Errored, 2,
			[]string{"broke off: corrupt block", "delivered"},
		},
		{
			"a target that died is unreachable",
			[]edit{lost, func(s *results.Summary) { s.Break(errors.New("it died"), 5) }},
			results.Unreachable, 5,
			[]string{"it died", "lost 1"},
		},
		{
			"books that do not balance",
			[]edit{func(s *results.Summary) { s.Broken = []string{"trips: 2 outcomes for one record"} }},
			results.Fail, 3,
			[]string{"a defect of kload: trips: 2 outcomes"},
		},
		{
			"results incomplete",
			[]edit{func(s *results.Summary) { s.Incomplete = []string{"latency.hlog: disk full"} }},
			results.Pass, 1,
			[]string{"results incomplete: latency.hlog: disk full"},
		},
		{
			"incomplete and lost",
			[]edit{lost, func(s *results.Summary) { s.Incomplete = []string{"x"} }},
			results.Fail, 3,
			[]string{"lost 1", "results incomplete: x"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := passed()
			for _, e := range tt.edits {
				e(s)
			}
			s.Judge(results.DefaultDeliveredRatio)
			if s.Verdict != tt.verdict || s.ExitCode != tt.exit {
				t.Errorf("%s, exit %d; want %s, exit %d", s.Verdict, s.ExitCode, tt.verdict, tt.exit)
			}
			if len(s.Reasons) != len(tt.reasons) {
				t.Fatalf("reasons %q, want %d", s.Reasons, len(tt.reasons))
			}
			for i, want := range tt.reasons {
				if !strings.Contains(s.Reasons[i], want) {
					t.Errorf("reason %q, want %q in it", s.Reasons[i], want)
				}
			}
		})
	}
}
