package results_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/results"
)

func TestEvaluate(t *testing.T) {
	s := passed()
	tests := []struct{ expr, result, value string }{
		{"fares.lost == 0", "pass", "0"},
		{"lost == 0", "pass", "0"},
		{"fares.redelivered == 0", "fail", "2"},
		{"delivered_ratio >= 0.99", "pass", "100.00%"},
		{"delivered_ratio >= 99%", "pass", "100.00%"},
		{"fares.e2e.read.p99 < 1s", "pass", "543ms"},
		{"fares.e2e.read.p99 < 0.5s", "fail", "543ms"},
		{"fares.e2e.read.p50 < 1m30s", "pass", "181ms"},
		{"fares.e2e.read.p50 == 181ms", "pass", "181ms"},
		{"trips.put.p50 > 1234µs and trips.put.p50 < 1235us", "pass", "1.23ms"},
		{"fares.e2e.read.p99 < 500ms || fares.lost == 0", "pass", "fares.e2e.read.p99 = 543ms, fares.lost = 0"},
		{"trips.put.p99 <= 3 * trips.put.p50", "pass", "trips.put.p99 = 3.70ms, trips.put.p50 = 1.23ms"},
		{"trips.gen.lag.mean < 1ms", "pass", "594µs"},
		{"trips.put.count == 310", "pass", "310"},
		{"trips.arrive.negative == 0", "fail", "2"},
		{"trips.acked > 100k && trips.acked < 0.2M", "pass", "193,891"},
		{"trips.bytes > 88MiB && trips.bytes < 90_000KiB", "fail", "92,512,334"},
		{"trips.malformed <= 3", "pass", "3"},
		{"max(trips.put.p50, 2ms) == 2ms", "pass", "1.23ms"},
		{"not (fares.lost > 0)", "pass", "0"},
		{"fares.handle.p99 < 1s", "fail", "no samples"},
		{"fares.handle.p99 < 1s || fares.lost == 0", "fail", "fares.handle.p99 = no samples, fares.lost = 0"},
		{"fares.handle.count == 0", "pass", "0"},
		{"trips.put.p99 > 0", "pass", "3.70ms"},
		{"trips.put.p99 - trips.put.p50 > 0 and 2 * trips.put.p99 - 1ms < 1s", "pass", "trips.put.p99 = 3.70ms, trips.put.p50 = 1.23ms"},
		{"trips.put.p99 / trips.put.p50 < 4", "pass", "trips.put.p99 = 3.70ms, trips.put.p50 = 1.23ms"},
		{"100 < fares.read < 1M", "pass", "193,893"},
		{"100 < fares.read < 1k", "fail", "193,893"},
	}
	var exprs []string
	want := []results.ExpectResult{}
	for _, tt := range tests {
		exprs = append(exprs, tt.expr)
		want = append(want, results.ExpectResult{Expr: tt.expr, Result: tt.result, Value: tt.value})
	}
	compiled, err := results.Compile(exprs, owners)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, judge(compiled, s)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestEvaluatePhases judges figures of phases, of the run and of the producer.
func TestEvaluatePhases(t *testing.T) {
	names := results.Names{
		Loads:     []results.Owner{{Name: "trips", Hops: []kload.Hop{kload.HopPut}}},
		Consumers: []results.Owner{{Name: "fares", Hops: []kload.Hop{kload.HopE2ERead}}},
		Phases:    []results.PhaseName{{Name: "low", Measured: true}, {Name: "low-2", Measured: true}, {Name: "never", Measured: true}},
	}
	s := passed()
	s.Phases = []results.Phase{
		{
			Name: "low", WallS: 10, Hops: map[string]results.HopStats{"fares/e2e.read": {Count: 9, P99: 7e6}},
			Counts: map[string]map[string]uint64{"trips": {"acked": 1000}, "fares": {"read_unique": 990}},
		},
		{Name: "low-2", WallS: 5, Counts: map[string]map[string]uint64{"trips": {"acked": 2000}}},
		{Name: "never"},
	}
	s.Process.Target = nil
	s.Process.Kload.MaxRSS, s.Process.Kload.CPUS = 200<<20, 2.5
	s.Load["trips"].Codes = map[string]uint64{"Boom": 3}
	s.Load["trips"].Producer = &results.ProducerDetail{FillRatio: 0.5, Flushed: map[string]uint64{"linger": 7}}
	tests := []struct{ expr, result, value string }{
		{"fares.e2e.read.p99@low < 8ms", "pass", "7.00ms"},
		{"e2e.read.p99@low < e2e.read.p99", "pass", "fares.e2e.read.p99@low = 7.00ms, fares.e2e.read.p99 = 543ms"},
		{"e2e.read.p99@low-2 < 8ms", "fail", "no samples"},
		{"e2e.read.count@low-2 == 0", "pass", "0"},
		{"e2e.read.count@never == 0", "fail", "phase never was not reached"},
		{"trips.acked@low-2 - trips.acked@low == 1000", "pass", "trips.acked@low-2 = 2,000, trips.acked@low = 1,000"},
		{"acked@low / wall_s@low == 100", "pass", "trips.acked@low = 1,000, wall_s@low = 10.0s"},
		{"fares.read_unique@low==990&&wall_s==15", "pass", "fares.read_unique@low = 990, wall_s = 15.0s"},
		{"process.kload.max_rss_bytes < 256MiB", "pass", "209,715,200"},
		{"process.kload.cpu_s < 2", "fail", "2.50s"},
		{"process.target.cpu_s < 2", "fail", "not measured"},
		{"codes.Boom == 3 && trips.codes.Other == 0", "pass", "trips.codes.Boom = 3, trips.codes.Other = 0"},
		{"trips.producer.fill_ratio >= 50%", "pass", "50.00%"},
		{"producer.flushed.linger == 7", "pass", "7"},
	}
	for _, tt := range tests {
		compiled, err := results.Compile([]string{tt.expr}, names)
		if err != nil {
			t.Error(err)
			continue
		}
		want := results.ExpectResult{Expr: tt.expr, Result: tt.result, Value: tt.value}
		if d := cmp.Diff(want, judge(compiled, s)[0]); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	// Of a single phase the summary has the figures itself.
	s.Phases = s.Phases[:1]
	s.Phases[0].Hops, s.Phases[0].Counts = nil, nil
	compiled, err := results.Compile([]string{"e2e.read.p99@low == e2e.read.p99 && acked@low == acked"}, names)
	if err != nil {
		t.Fatal(err)
	}
	if got := judge(compiled, s)[0]; got.Result != "pass" {
		t.Errorf("%+v", got)
	}
}

func judge(list []results.Expectation, s *results.Summary) []results.ExpectResult {
	var out []results.ExpectResult
	for _, e := range list {
		res, _ := e.Judge(s)
		out = append(out, res)
	}
	return out
}

func TestEvaluateOwnersWithHyphens(t *testing.T) {
	names := results.Names{Consumers: []results.Owner{{Name: "my"}, {Name: "my-reader"}}}
	compiled, err := results.Compile([]string{"my-reader.lost-my.lost == 2"}, names)
	if err != nil {
		t.Fatal(err)
	}
	s := results.NewSummary("x", "y")
	s.Consumers["my-reader"] = &results.ConsumerCounts{Lost: 3}
	s.Consumers["my"] = &results.ConsumerCounts{Lost: 1}
	want := []results.ExpectResult{{Expr: compiled[0].Expr, Result: "pass", Value: "my-reader.lost = 3, my.lost = 1"}}
	if d := cmp.Diff(want, judge(compiled, s)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	delete(s.Consumers, "my")
	if got := judge(compiled, s)[0]; got.Result != "fail" || !strings.Contains(got.Value, "my.lost = not measured") {
		t.Errorf("without a consumer: %+v", got)
	}
}

func TestCompileSadRows(t *testing.T) {
	two := results.Names{
		Loads:     []results.Owner{{Name: "a", Hops: []kload.Hop{kload.HopPut}}, {Name: "b", Hops: []kload.Hop{kload.HopPut}}},
		Consumers: []results.Owner{{Name: "fares", Hops: []kload.Hop{kload.HopE2ERead}}},
		Phases:    []results.PhaseName{{Name: "warm-up"}, {Name: "load", Measured: true}, {Name: "load-2", Measured: true}},
	}
	tests := []struct{ expr, want string }{
		{"faers.lost == 0", `column 1: unknown name "faers.lost" (did you mean "fares.lost"?)`},
		{"fares.lost == 0 && fares.e2e.raed.p99 < 1s", `column 20: unknown name "fares.e2e.raed.p99" (did you mean "fares.e2e.read.p99"?)`},
		{"fares.e2e.read.p95 < 1s", `column 1: unknown name "fares.e2e.read.p95" (did you mean "fares.e2e.read.p90"?)`},
		{"completely_different == 0", `column 1: unknown name "completely_different" (known: <name>.<counter> and <name>.<hop>.<stat> of a, b, fares)`},
		{"fares.put.p99 < 1s", `column 1: unknown name "fares.put.p99"`},
		{"delivered_ratio > 1", `column 1: "delivered_ratio" is ambiguous: write a.delivered_ratio or b.delivered_ratio`},
		{"fares.e2e.read.p99@steady < 1s", `column 19: there is no phase "steady" (there are: warm-up, load, load-2)`},
		{"fares.e2e.read.p99@ < 1s", `column 19: there is no phase ""`},
		{"fares.e2e.read.p99 @load < 1s", `column 20: a phase belongs behind a name`},
		{"fares.e2e.read.p99@warm-up < 1s", `column 19: the latencies of phase warm-up are not measured`},
		{"fares.e2e.read.p99@load2 < 1s", `column 19: there is no phase "load2"`},
		{"a.delivered_ratio@load > 1", `column 18: a.delivered_ratio is a figure of the whole run: leave out @load`},
		{"fares.lost@load == 0", `column 11: fares.lost is a figure of the whole run`},
		{"process.kload.cpu_s@load < 1", `column 20: process.kload.cpu_s is a figure of the whole run`},
		{"process.kload.wire == 0", `column 1: unknown name "process.kload.wire"`},
		{"codes.Boom == 0", `column 1: "codes.Boom" is ambiguous: write a.codes.Boom or b.codes.Boom`},
		{"fares.codes.Boom == 0", `column 1: unknown name "fares.codes.Boom"`},
		{"fares.e2e.read.p99 < 500", `column 20: compares a time with a plain number: write times with a unit, such as 500ms`},
		{"fares.lost < 1s", `column 12: compares a time with a plain number`},
		{"fares.e2e.read.p99 * 2 < 500", `column 24: compares a time with a plain number`},
		{"fares.e2e.read.p99 + 5 < 500ms", `column 20: reckons with a time and a plain number`},
		{"max(fares.e2e.read.p99, a.put.p99) < 500", `column 36: compares a time`},
		{"min(fares.e2e.read.p99, 500) < 1s", `column 1: compares a time with a plain number`},
		{"fares.e2e.read.p99 < (fares.lost > 0 ? 500 : 1s)", `column 40: compares a time`},
		{"fares.e2e.read.p99 < (fares.lost > 0 ? 500 : 100)", `column 20: compares a time`},
		{"fares.e2e.read.p99 in 1..500", `column 20: compares a time`},
		{"fares.e2e.read.p99 in [1s, 500]", `column 23: compares a time`},
		{"-abs(fares.e2e.read.p99) < -5", `column 26: compares a time`},
		{"fares.e2e.read.p99 / a.put.p99 < 5ms", `column 32: compares a time`},
		{"wall_s < 3s", `column 8: compares a time with a plain number: write times with a unit, such as 500ms, and figures in _s or _ns without`},
		{"1 < 2", `column 1: names no figure of the run`},
		{"fares.lost == 0; fares.read > 0", `column 16: one condition each`},
		{"fares.lost < 5x", `column 14: bad number "5x": units are`},
		{"fares.lost <", `column 12: unexpected token EOF`},
		{"fares.lost", `column 1: expected bool, but got float64`},
		{"fares.lost == 0 &&& true", `column 19: `},
		{"é && fares.lost == 0", `column 1: `},
		{`fares.lost == "µµ" && faers.lost == 0`, `column 23: unknown name "faers.lost"`},
		{"len(fares.lost) == 0", `column 1: unknown function "len"`},
		{"env == 0", `column 1: unknown name "env"`},
		{" ", `column 1: empty: write a condition`},
		{strings.Repeat("1ms+2ms+", 40) + "1s > 1s", `more than 36 names or numbers`},
	}
	for _, tt := range tests {
		_, err := results.Compile([]string{"fares.lost == 0", tt.expr}, two)
		var at *results.ExprError
		if !errors.As(err, &at) || !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("%s: error %v, want an ExprError", tt.expr, err)
			continue
		}
		if at.Index != 1 || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s:\n got %v\nwant %s", tt.expr, err, tt.want)
		}
	}
}

func TestCompileReportsAllProblems(t *testing.T) {
	_, err := results.Compile([]string{"x.y == 0", "fares.lost == 0", "z > 1"}, owners)
	if err == nil || strings.Count(err.Error(), "expectation ") != 2 {
		t.Errorf("error %v, want two problems", err)
	}
}

func TestCompileSameNameTwice(t *testing.T) {
	names := results.Names{Loads: []results.Owner{{Name: "x"}}, Consumers: []results.Owner{{Name: "x"}}}
	if _, err := results.Compile([]string{"x.lost == 0 && x.acked == 0"}, names); err != nil {
		t.Errorf("names that only one of them has: %v", err)
	}
	_, err := results.Compile([]string{"x.put.p50 < 1s"}, names)
	if err == nil || !strings.Contains(err.Error(), "both a load's and a consumer's") {
		t.Errorf("error %v, want the conflict named", err)
	}
}

func FuzzCompile(f *testing.F) {
	for _, e := range []string{"fares.lost == 0", "trips.put.p99 < 1m30s", "7%3 == 1", "'a' == \"b\"", "@", "1e", "max(1,2)>0"} {
		f.Add(e)
	}
	s := passed()
	f.Fuzz(func(t *testing.T, text string) {
		compiled, err := results.Compile([]string{text}, owners)
		if err != nil {
			var at *results.ExprError
			if !errors.As(err, &at) || at.Column < 1 || at.Column > len([]rune(text))+1 {
				t.Fatalf("%q: bad position in %v", text, err)
			}
			return
		}
		if got := judge(compiled, s); len(got) != 1 || (got[0].Result != "pass" && got[0].Result != "fail") {
			t.Fatalf("%q: %+v", text, got)
		}
	})
}
