package handler_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
)

const trip = `{"trip_id":40,"fare":12.5,"type":"yellow","note":"a\"b","paid":true,"tip":null,"stops":[1,2],` +
	`"from":{"zone":7,"name":"JFK"},"user-id":"u1","big":12345678901234567890,"_x":1}`

// decode reads a configuration as a scenario file would have it.
func decode(t testing.TB, src string) handler.Config {
	t.Helper()
	var c handler.Config
	doc, err := conf.Parse("test.yaml", []byte(src))
	if err == nil {
		err = doc.Decode(&c, nil)
	}
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return c
}

// rig is a handler with what it reported.
type rig struct {
	*handler.Handler
	mu       sync.Mutex
	failures []string
}

func newRig(t testing.TB, src string) *rig {
	t.Helper()
	r := &rig{}
	h, err := handler.New(handler.Options{Config: decode(t, src), Clock: pace.NewClock(), Seed: 7, Routes: []string{"yellow", "green", "trip"}, Report: func(f handler.Failure) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.failures = append(r.failures, fmt.Sprintf("%s %s/%s/%d: %v", f.Setting, f.Shard, f.Sequence, f.Sub, f.Err))
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.Handler = h
	return r
}

// batchOf is a batch of traced records, two to a stream record.
func batchOf(payloads ...string) *kload.Batch {
	b := &kload.Batch{Partition: "shard-1"}
	for i, p := range payloads {
		if i%2 == 0 {
			b.Records = append(b.Records, kload.StreamRecord{Sequence: fmt.Sprint("s", i/2), Arrived: 1})
		}
		b.Users = append(b.Users, kload.Delivery{
			Data: []byte(p), Key: []byte("key"), Stream: i / 2, Sub: int64(i % 2), Traced: true, Producer: 1, Seq: uint64(i),
		})
	}
	return b
}

// numbered is a batch of records with the ids from 0.
func numbered(n int) *kload.Batch {
	payloads := make([]string, n)
	for i := range payloads {
		payloads[i] = fmt.Sprintf(`{"id":%d}`, i)
	}
	return batchOf(payloads...)
}

func (r *rig) handle(t testing.TB, b *kload.Batch) []kload.HandlerResult {
	t.Helper()
	results := make([]kload.HandlerResult, len(b.Users))
	if err := r.Handle(t.Context(), b, results); err != nil {
		t.Fatal(err)
	}
	return results
}

func TestExpressions(t *testing.T) {
	const yes, no = "yes", "no"
	tests := []struct{ expr, payload, want string }{
		{`trip_id % 20 == 0`, trip, yes},
		{`trip_id % 3 == 0`, trip, no},
		{`fare > 12 && type == "yellow"`, trip, yes},
		{`type != "green"`, trip, yes},
		{`note == 'a"b'`, trip, yes},
		{`paid and not (type startsWith "g")`, trip, yes},
		{`tip == nil`, trip, yes},
		{`tip == 3`, trip, no}, // null is a value, which 3 is not
		{`stops[1] == 2 and len(stops) == 2`, trip, yes},
		{`any(stops, # % 2 == 0)`, trip, yes},
		{`from.zone % 7 == 0 && from.name == "JFK"`, trip, yes},
		{`field("user-id") == "u1" && field("_x") == 1`, trip, yes},
		{`let double = fare * 2; double == 25`, trip, yes},
		{`big > 1e19`, trip, yes},
		{`type in ["yellow", "green"]`, trip, yes},
		{`trip_id in [1, 2]`, trip, no},
		{`_key == "key" && _shard == "shard-1" && _sequence == "s0" && _sub == 0 && _size > 10`, trip, yes},
		{`_data contains "JFK" && _age > duration("1s")`, trip, yes},
		{`_size == 3 && _data == "abc"`, "abc", yes}, // needs no JSON
		{`city == "x"`, `{"city":"x\u0041"}`, no},
		{`city == "xA"`, `{"city":"x\u0041"}`, yes},
		{"city == '\uFFFD'", "{\"city\":\"\xff\"}", yes},

		// Missing on purpose.
		{`(nope ?? 5) == 5`, trip, yes},
		{`nope == nil && nil == nope`, trip, yes},
		{`nope != nil`, trip, no},
		{`nope?.city == nil`, trip, yes},
		{`(from.nope ?? 1) == 1 && (nope.a.b ?? 2) == 2`, trip, yes},
		{`from.nope == nil`, trip, yes},
		{`(field("no-pe") ?? 1) == 1`, trip, yes},
		{`paid or nope > 3`, trip, yes}, // never looked at

		// Errors, which the language would often take for false.
		{`nope > 3`, trip, `column 1: the record has no field "nope"`},
		{`trip_id == 40 && nope == "x"`, trip, `column 18: the record has no field "nope"`},
		{`from.nope == 1`, trip, `the object has no field "nope"`},
		{`fare.nope == 1`, trip, `a number has no field "nope"`},
		{`fare.nope != nil`, trip, `a number has no field "nope"`},
		{`type == 5`, trip, `compares text with a number`},
		{`trip_id != "40"`, trip, `compares a number with text`},
		{`paid == from`, trip, `compares true or false with an object`},
		{`type in [1, 2]`, trip, `compares text with a number`},
		{`stops in ["a"]`, trip, `compares a list with text`},
		{`fare % 2 == 0`, trip, `float64 % int`},
		{`type > 3`, trip, `string > int`},
		{`trip_id`, trip, `gives a number, not true or false`},
		{`trip_id > 3`, "abc", `the payload is no JSON object`},
		{`trip_id > 3`, `{"trip_id":4`, `the payload is no JSON object`},
		{`(trip_id ?? 4) > 3`, `[1]`, `the payload is no JSON object`},
		{`trip_id > 3`, `{"trip_id":4-5}`, `decoding a number`},
		{`a > 3`, `{"a":"\q"}`, `decoding text`},
		{`a.b > 3`, `{"a":{"b":nul}}`, `decoding a list or an object`},
		{`stops[7] == 1`, trip, `out of range`},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			r := newRig(t, fmt.Sprintf("filter: %q", tt.expr))
			b := batchOf(tt.payload)
			got, failed := no, ""
			switch r.handle(t, b)[0] {
			case kload.OK:
				got = yes
			case kload.DeadLettered:
				got, failed = strings.Join(r.failures, "\n"), tt.want
			}
			if failed == "" && got != tt.want || !strings.Contains(got, failed) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if n := r.Counters()["expression_errors"]; (n == 1) != (failed != "") || n > 1 {
				t.Errorf("%d expression errors", n)
			}
		})
	}
}

// TestNotKnown has records that lack what stands beside the payload.
func TestNotKnown(t *testing.T) {
	for expr, want := range map[string]string{
		`_age > duration("1s")`: "filter shard-1//0: column 1: _age is not known: the source does not say when the record arrived",
		`_sequence == "1"`:      "filter shard-1//0: column 1: _sequence is not known: the batch does not name its stream records",
	} {
		r := newRig(t, fmt.Sprintf("filter: %q", expr))
		b := batchOf(trip)
		b.Records = nil
		if got := r.handle(t, b)[0]; got != kload.DeadLettered || !cmp.Equal(r.failures, []string{want}) {
			t.Errorf("%s: result %d, %q", expr, got, r.failures)
		}
	}
}

func TestTransform(t *testing.T) {
	const dead = "dead-lettered"
	tests := []struct{ config, payload, want string }{
		{`transform: {set: {b: "a * 2"}}`, `{"a":1}`, `{"a":1,"b":2}`},
		{`transform: {set: {a: "a * 2.5"}}`, ` {"x" : "<&>", "a": 1, "y":[ ]} `, `{"x" : "<&>","a":2.5,"y":[ ]}`},
		{`transform: {set: {a: "b", b: "a"}}`, `{"a":1,"b":2}`, `{"a":2,"b":1}`}, // both see what was read
		{`transform: {set: {a: "\"<x>\" + _key"}}`, `{}`, `{"a":"<x>key"}`},
		{`transform: {set: {a: "{\"k\": [1, nil, true]}"}}`, `{}`, `{"a":{"k":[1,null,true]}}`},
		{`transform: {set: {a: "1"}}`, `{"a":0,"\u0061":5}`, `{"a":1}`}, // the same name twice
		{`transform: {remove: [a, nope]}`, `{"a":1,"b":2}`, `{"b":2}`},
		{`transform: {remove: [a]}`, `{"b":{"a":1},"a":1}`, `{"b":{"a":1}}`},
		{`transform: {remove: [a], set: {c: "a"}}`, `{"a":1}`, `{"c":1}`},
		{`transform: {remove: [a]}`, `{"a":1}`, `{}`},
		{`transform: 'upper(_data)'`, `abc`, `ABC`},
		{`transform: '{"id": a, "who": _key}.id'`, `{"a":1}`, `1`},
		{`transform: {payload: "{id: a}"}`, `{"a":1}`, `{"id":1}`},
		{`transform: '""'`, `{"a":1}`, ``},

		{`transform: {set: {b: "nope"}}`, `{"a":1}`, dead},
		{`transform: {remove: [a]}`, `abc`, dead},
		{`transform: {remove: [a]}`, `{"a":1,}`, dead},
		{`transform: {set: {b: "1 / a"}}`, `{"a":0}`, dead}, // infinite
		{`transform: "nope"`, `{"a":1}`, dead},
	}
	for _, tt := range tests {
		t.Run(tt.config+" "+tt.payload, func(t *testing.T) {
			r := newRig(t, tt.config)
			b := batchOf(`{"a":1,"b":2,"nope":0}`, tt.payload, `{"a":1,"b":2,"nope":0}`)
			was := b.Users[1]
			results := r.handle(t, b)
			got, want := string(b.Users[1].Data), tt.want
			if results[1] == kload.DeadLettered {
				got = dead
				if d := cmp.Diff(was, b.Users[1]); d != "" || len(r.failures) != 1 || r.Counters()["expression_errors"] != 1 {
					t.Errorf("failures %q, changed (-want +got)\n%s", r.failures, d)
				}
			}
			if got != want {
				t.Errorf("got %s, want %s; %q", got, want, r.failures)
			}
			if results[0] != kload.OK || results[2] != kload.OK {
				t.Errorf("results %v", results)
			}
			was.Data, b.Users[1].Data = nil, nil
			if d := cmp.Diff(was, b.Users[1]); d != "" {
				t.Errorf("more than the payload changed (-want +got)\n%s", d)
			}
		})
	}
}

// TestPayloadsLast keeps the payloads of a batch while the handler makes others.
func TestPayloadsLast(t *testing.T) {
	r := newRig(t, `{filter: "id != 1", transform: {set: {twice: "id * 2"}}}`)
	first := numbered(3)
	r.handle(t, first)
	for range 5 {
		r.handle(t, numbered(50))
	}
	var got []string
	for _, u := range first.Users {
		got = append(got, string(u.Data))
	}
	if d := cmp.Diff([]string{`{"id":0,"twice":0}`, `{"id":1}`, `{"id":2,"twice":4}`}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestConcurrent handles batches at the same time: each sees its own records.
func TestConcurrent(t *testing.T) {
	r := newRig(t, `{filter: "id % 3 != 0", transform: {set: {twice: "id * 2"}}, fail_on: "id % 5 == 0"}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				b := numbered(30)
				for i, got := range r.handle(t, b) {
					want := kload.OK
					switch {
					case i%3 == 0:
						want = kload.Filtered
					case i%5 == 0:
						want = kload.DeadLettered
					case string(b.Users[i].Data) != fmt.Sprintf(`{"id":%d,"twice":%d}`, i, 2*i):
						t.Errorf("record %d became %s", i, b.Users[i].Data)
					}
					if got != want {
						t.Errorf("record %d: result %d, want %d", i, got, want)
					}
				}
			}
		})
	}
	wg.Wait()
	want := map[string]uint64{"handler_attempts": 160 * 20, "handler_failed_attempts": 160 * 4, "handler_retries": 0, "expression_errors": 0}
	if d := cmp.Diff(want, r.Counters()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestReportsFew samples failures that every record has.
func TestReportsFew(t *testing.T) {
	r := newRig(t, `filter: "nope == 1"`)
	for range 3 {
		r.handle(t, numbered(15))
	}
	if len(r.failures) != 20 || r.Counters()["expression_errors"] != 45 {
		t.Errorf("reported %d of %d", len(r.failures), r.Counters()["expression_errors"])
	}
	if want := `filter shard-1/s1/1: column 1: the record has no field "nope"`; r.failures[3] != want {
		t.Errorf("got %s, want %s", r.failures[3], want)
	}
}

// TestNew makes no handler of nothing, and none of what does not compile.
func TestNew(t *testing.T) {
	for _, c := range []handler.Config{{}, decode(t, "on_error: retry")} {
		if h, err := handler.New(handler.Options{Config: c, Clock: pace.NewClock()}); h != nil || err != nil {
			t.Errorf("got %v, %v", h, err)
		}
		if names := c.CounterNames(); names != nil {
			t.Errorf("counters %q", names)
		}
	}
	_, err := handler.New(handler.Options{Config: handler.Config{Filter: "a ="}, Clock: pace.NewClock()})
	if !errors.Is(err, kload.ErrInvalid) || !strings.Contains(err.Error(), "compiling filter") {
		t.Errorf("got %v", err)
	}
	c := decode(t, "cost: 1ms")
	if d := cmp.Diff([]string{"expression_errors", "handler_attempts", "handler_failed_attempts", "handler_retries"}, c.CounterNames()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
