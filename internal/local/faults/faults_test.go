package faults_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/latency"
	"github.com/kload/kload/internal/shard"
)

func operations() []string {
	return []string{"CreateStream", "GetRecords", "GetShardIterator", "PutRecord", "PutRecords", "SubscribeToShard"}
}

const internal = "InternalFailure"

func TestCheck(t *testing.T) {
	base := faults.Fault{On: []string{"PutRecords"}, Error: internal, Share: 100}
	for _, test := range []struct {
		name   string
		change func(*faults.Fault)
		field  string // of the issue; "ok" for none
	}{
		{"whole call", func(*faults.Fault) {}, "ok"},
		{"class", func(f *faults.Fault) { f.On = []string{"control", "get"} }, "ok"},
		{"nothing", func(f *faults.Fault) { f.Error = "" }, ""},
		{"two things", func(f *faults.Fault) { f.Cut = faults.MidBody }, ""},
		{"no operation", func(f *faults.Fault) { f.On = nil }, "on"},
		{"unknown operation", func(f *faults.Fault) { f.On = []string{"PutRecords", "Put"} }, "on.1"},
		{"share of nothing", func(f *faults.Fault) { f.Share = 0 }, "share"},
		{"share above all", func(f *faults.Fault) { f.Share = 101 }, "share"},
		{"records of a put", func(f *faults.Fault) { f.Error, f.Records, f.Shard = "", internal, "1" }, "ok"},
		{"records of a read", func(f *faults.Fault) { f.Error, f.Records, f.On = "", internal, []string{"GetRecords"} }, "records"},
		{"shard of a batch", func(f *faults.Fault) { f.Shard = "1" }, "shard"},
		{"shard of a read", func(f *faults.Fault) { f.Shard, f.On = "1", []string{"get", "PutRecord"} }, "ok"},
		{"an iterator expires", func(f *faults.Fault) { f.Error, f.On = "ExpiredIteratorException", []string{"GetRecords"} }, "ok"},
		{"an iterator expires that nobody gave", func(f *faults.Fault) { f.Error, f.On = "ExpiredIteratorException", []string{"get"} }, "error"},
		{"frame of a put", func(f *faults.Fault) { f.Frame = 1 }, "frame"},
		{"frame", func(f *faults.Fault) { f.Frame, f.On = faults.Each, []string{"subscribe"} }, "ok"},
		{"clock", func(f *faults.Fault) { *f = faults.Fault{Clock: 5, Share: 100} }, "ok"},
		{"clock of an operation", func(f *faults.Fault) { f.Error, f.Clock = "", 5 }, "clock"},
	} {
		f := base
		test.change(&f)
		issues := f.Check(operations())
		if test.field == "ok" != (len(issues) == 0) || len(issues) > 0 && issues[0].Field != test.field {
			t.Errorf("%s: %+v", test.name, issues)
		}
	}
}

// The written forms of offsets and frames are read back.
func TestTexts(t *testing.T) {
	for _, text := range []string{"+5s", "-300ms", "+0s"} {
		var o faults.Offset
		if err := o.UnmarshalText([]byte(text)); err != nil || o.String() != text {
			t.Errorf("%s: %s, %v", text, o, err)
		}
	}
	for _, text := range []string{"each", "3", "0"} {
		var f faults.Frame
		if err := f.UnmarshalText([]byte(text)); err != nil || f.String() != text {
			t.Errorf("%s: %s, %v", text, f, err)
		}
	}
	for _, text := range []string{"", "5", "+-5s", "--5s", "2h", "-2h"} {
		if o := new(faults.Offset); o.UnmarshalText([]byte(text)) == nil {
			t.Errorf("offset %q was taken for %s", text, o)
		}
	}
	for _, text := range []string{"", "-1", "all", "99999999999"} {
		if f := new(faults.Frame); f.UnmarshalText([]byte(text)) == nil {
			t.Errorf("frame %q was taken for %s", text, f)
		}
	}
}

func TestFaultSurvivesJSON(t *testing.T) {
	d, err := latency.ParseDistribution("lognormal(p50=4ms,p99=25ms)")
	if err != nil {
		t.Fatal(err)
	}
	want := faults.Fault{
		On: []string{"PutRecords"}, Error: "a", Records: "b", Cut: faults.AfterCommit, Delay: d, Clock: faults.Offset(-time.Second),
		Stream: "s", Shard: shard.Hottest, Frame: faults.Each, Share: 12.5, Count: 7,
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got faults.Fault
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got)\n%s", text, d)
	}
}

// errorsOf judges n calls and returns which of them fail.
func errorsOf(table *faults.Table, c faults.Call, n int) (list []bool) {
	for range n {
		list = append(list, table.Judge(c).Error != "")
	}
	return list
}

func TestScope(t *testing.T) {
	call := faults.Call{Operation: "GetRecords", Stream: "s", Shard: "shardId-000000000012"}
	event := faults.Call{Operation: "SubscribeToShard", Stream: "s", Shard: "shardId-000000000012", Frame: 3}
	for _, test := range []struct {
		name  string
		fault faults.Fault
		call  faults.Call
		hit   bool
	}{
		{"operation", faults.Fault{On: []string{"GetRecords"}}, call, true},
		{"class", faults.Fault{On: []string{"get"}}, call, true},
		{"other class", faults.Fault{On: []string{"put", "control", "subscribe"}}, call, false},
		{"stream", faults.Fault{On: []string{"get"}, Stream: "s"}, call, true},
		{"other stream", faults.Fault{On: []string{"get"}, Stream: "t"}, call, false},
		{"shard", faults.Fault{On: []string{"get"}, Shard: "shardId-000000000012"}, call, true},
		{"other shard", faults.Fault{On: []string{"get"}, Shard: "shardId-000000000001"}, call, false},
		{"call, not event", faults.Fault{On: []string{"subscribe"}}, event, false},
		{"event", faults.Fault{On: []string{"subscribe"}, Frame: 3}, event, true},
		{"other event", faults.Fault{On: []string{"subscribe"}, Frame: 2}, event, false},
		{"each event", faults.Fault{On: []string{"subscribe"}, Frame: faults.Each}, event, true},
		{"event, not call", faults.Fault{On: []string{"get"}, Frame: faults.Each}, call, false},
	} {
		test.fault.Error, test.fault.Share = internal, 100
		table := faults.NewTable(1)
		id := table.Add(test.fault)
		if got := errorsOf(table, test.call, 1)[0]; got != test.hit {
			t.Errorf("%s: failed: %t", test.name, got)
		}
		if e, ok := table.Lift(id); !ok || e.Hits != e.Judged || (e.Hits == 1) != test.hit {
			t.Errorf("%s: effect %+v, %t", test.name, e, ok)
		}
		if table.Active() || errorsOf(table, test.call, 1)[0] {
			t.Errorf("%s: it was lifted", test.name)
		}
		if _, again := table.Lift(id); again {
			t.Errorf("%s: it was lifted twice", test.name)
		}
	}
}

// Shares are met, counts are kept, and the seed decides what happens.
func TestShareCountAndSeed(t *testing.T) {
	call := faults.Call{Operation: "PutRecords", Stream: "s"}
	judge := func(seed uint64, count int) []bool {
		table := faults.NewTable(seed)
		table.Add(faults.Fault{On: []string{"put"}, Error: internal, Share: 20})
		table.Add(faults.Fault{On: []string{"put"}, Delay: latency.Constant(time.Second), Share: 50, Count: 3})
		list := errorsOf(table, call, count)
		effects := table.Effects()
		var hits uint64
		for _, failed := range list {
			if failed {
				hits++
			}
		}
		want := []faults.Effect{
			{ID: 1, Fault: "put: InternalFailure, share 20%", Judged: uint64(count), Hits: hits},
			{ID: 2, Fault: "put: delay 1s, share 50%, count 3", Judged: uint64(count), Hits: 3},
		}
		if d := cmp.Diff(want, effects); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if share := float64(hits) / float64(count); share < 0.18 || share > 0.22 {
			t.Errorf("%v of all calls fail, want 0.2", share)
		}
		return list
	}
	first := judge(1, 10_000)
	if !slices.Equal(first, judge(1, 10_000)) || slices.Equal(first, judge(2, 10_000)) {
		t.Error("the seed does not decide")
	}
}

// Faults that overlap all count: delays add up, the first error is given, and a
// record is refused by the first that refuses it.
func TestFaultsJoin(t *testing.T) {
	table := faults.NewTable(1)
	on := []string{"put"}
	for _, f := range []faults.Fault{
		{On: on, Delay: latency.Constant(time.Second)},
		{On: on, Error: "first"},
		{On: on, Cut: faults.AfterCommit},
		{On: on, Records: "a", Shard: "shardId-000000000001"},
		{On: on, Records: "b"},
		{On: on, Delay: latency.Constant(time.Minute)},
	} {
		f.Share = 100
		table.Add(f)
	}
	v := table.Judge(faults.Call{Operation: "PutRecords"})
	if v.Delay != 61*time.Second || v.Error != "first" || v.Cut != "" || v.Record("shardId-000000000001") != "a" || v.Record("shardId-000000000000") != "b" {
		t.Errorf("verdict %+v", v)
	}
}

func TestClock(t *testing.T) {
	table := faults.NewTable(1)
	ahead := table.Add(faults.Fault{Clock: faults.Offset(5 * time.Second), Share: 100})
	table.Add(faults.Fault{Clock: faults.Offset(-time.Second), Share: 100})
	if got := table.Offset(); got != 4*time.Second {
		t.Errorf("offset %s", got)
	}
	table.Lift(ahead)
	if got := table.Offset(); got != -time.Second {
		t.Errorf("offset %s", got)
	}
}

// A control function that had a say is dropped, also when calls race for it,
// unless it wants to be kept; one without a say stays.
func TestControl(t *testing.T) {
	table := faults.NewTable(1)
	var mu sync.Mutex
	asked := map[string]int{}
	add := func(name, operation string, v faults.Verdict, keep bool) func() {
		return table.Control(operation, func(faults.Call) (faults.Verdict, bool) {
			mu.Lock()
			defer mu.Unlock()
			asked[name]++
			return v, keep
		})
	}
	add("silent", "PutRecords", faults.Verdict{}, false)
	add("once", "PutRecords", faults.Verdict{Error: "once"}, false)
	kept := add("kept", "", faults.Verdict{Delay: time.Second}, true)
	add("other", "GetRecords", faults.Verdict{Error: "other"}, true)
	var group sync.WaitGroup
	var errors, delays int
	for range 50 {
		group.Go(func() {
			v := table.Judge(faults.Call{Operation: "PutRecords"})
			mu.Lock()
			defer mu.Unlock()
			if v.Error == "once" {
				errors++
			}
			if v.Delay == time.Second {
				delays++
			}
		})
	}
	group.Wait()
	if errors != 1 || delays != 50 || asked["silent"] != 50 || asked["kept"] != 50 || asked["other"] != 0 {
		t.Errorf("%d errors, %d delays; asked %v", errors, delays, asked)
	}
	kept()
	kept()
	if v := table.Judge(faults.Call{Operation: "PutRecords"}); v.Delay != 0 {
		t.Errorf("verdict %+v after it was removed", v)
	}
}

// Without faults a judgement costs nothing.
func TestNoFaultsNoCost(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	table := faults.NewTable(1)
	if n := testing.AllocsPerRun(100, func() { table.Judge(faults.Call{Operation: "PutRecords"}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	id := table.Add(faults.Fault{On: []string{"put"}, Error: internal, Share: 50})
	if e, ok := table.Lift(id); !ok || !strings.Contains(e.Fault, "share 50%") || table.Active() {
		t.Errorf("effect %+v", e)
	}
}
