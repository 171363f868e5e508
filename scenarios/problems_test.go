package scenarios_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/scenarios"
)

// scenario returns a valid scenario with some of its top-level lines replaced:
// each of lines is one "key: value", and an empty value leaves the key out.
func scenario(lines ...string) string {
	defaults := []string{
		"apiVersion: kload/v1",
		"name: test",
		"stream: {shards: 2}",
		"load: {events: {source: {generate: {stock: {}}}, rate: {profile: [{constant: 100/s, for: 1s}]}}}",
		"consumers: {reader: {read: {polling: {every: 200ms}}}}",
	}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ":")
		at := len(defaults)
		for i, d := range defaults {
			if strings.HasPrefix(d, key+":") {
				at = i
			}
		}
		switch {
		case at == len(defaults):
			defaults = append(defaults, line)
		case value == "":
			defaults[at] = ""
		default:
			defaults[at] = line
		}
	}
	return strings.Join(defaults, "\n") + "\n"
}

// events returns the line of a load with the given settings beside a source.
func events(settings string) string {
	return "load: {events: {source: {generate: {stock: {}}}, " + settings + "}}"
}

// hosted returns the line of a consumer with the given settings of its handler.
func hosted(settings string) string {
	return "consumers: {reader: {host: {plain: {" + settings + "}}}}"
}

// routed returns the line of a consumer with the given handler and sinks.
func routed(settings, sinks string) string {
	return "consumers: {reader: {host: {plain: {" + settings + "}}, sinks: {" + sinks + "}}}"
}

// opaqueLoad is events with 1-KiB records of random bytes.
func opaqueLoad(settings string) string {
	return "load: {events: {source: {generate: {opaque: {size: 1KiB}}}, " + settings + "}}"
}

// noAggregation sends every user record as a stream record of its own.
const noAggregation = "ingress: {kinesis: {aggregation: {enabled: false}}}, trace: prefix"

// numbered repeats text with a number in it.
func numbered(format string, n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format, i)
	}
	return out.String()
}

type problemCase struct {
	name, src string
	options   scenarios.OpenOptions
}

func problemCases() []problemCase {
	plain := func(name string, lines ...string) problemCase {
		return problemCase{name: name, src: scenario(lines...)}
	}
	return []problemCase{
		{name: "empty"},
		{name: "not YAML", src: "a: [b\n"},
		plain("several at once", "naem: x", "stream: {shards: 0, name: 'a b'}", "drain_timeout: 5", "expect: [reader.lots == 0]"),
		plain("unknown key", "consumer: {}"),
		plain("unknown plug-in", "consumers: {reader: {read: poling}}"),
		plain("wrong unit", events("rate: {profile: [{constant: 100/s, for: 1 minute}]}")),
		plain("a handler that reads what is not there", hosted(`filter: "tiker == 'AMZN'", transform: {set: {total: "price * quantity", n: "nope ?? 1"}}`)),
		plain("expressions that are none", hosted(`filter: "price >", fail_on: "_kee == '1'", transform: {set: {n: "lenn(price)"}}`)),
		plain("a handler that contradicts itself", hosted(`filter: price + 1 == 2, fail_on: {share: 1%, times: 2}, on_error: dead_letter`)),
		plain("routes to sinks that there are not", routed(`route: "price > 50 ? 'daer' : ticker", filter: prise > 1`, "dear: file, cheap: discard")),
		plain("routes that some sinks are not on", routed(`route: "price > 50 ? 'dear' : 'dear'"`, "dear: {file: {name: x}}, cheap: {file: {name: x}}")),
		plain("sinks and no route", routed("filter: price > 1", "a: discard, b: discard")),
		plain("a route and one sink", "consumers: {reader: {host: {kcl: {route: ticker}}, sink: file}}"),
		plain("a sink beside several", "consumers: {reader: {host: {plain: {route: ticker}}, sink: file, sinks: {odd-ones: file}}}"),
		plain("one file for two consumers", "consumers: {one: {read: {polling: {every: 400ms}}, sink: file}, two: {read: {polling: {every: 400ms}}, sink: {file: {name: one.jsonl}}}}"),
		plain("costs below nothing", hosted(`cost: {wait: -1s, per: shard}, on_error: retri`)),
		plain("no load", "load:"),
		plain("load without entries", "load: {}"),
		plain("no source", "load: {events: {rate: 5/s}}"),
		plain("two generators", "load: {events: {source: {generate: {stock: {}, opaque: {}}}, rate: {profile: [{constant: 1/s, for: 1s}]}}}"),
		plain("no rate", events("trace: tag")),
		plain("rate without length", events("rate: 100/s")),
		plain("length of two segments", events("total: 5, rate: {profile: [{constant: 1/s}, {constant: 2/s, for: 1s}]}")),
		plain("rate of nothing", events("rate: {profile: [{constant: 0/s, for: 1s}]}")),
		plain("constant and ramp", events("rate: {profile: [{constant: 1/s, ramp: [0/s, 1/s], for: 1s}]}")),
		plain("ramp of one rate", events("rate: {profile: [{ramp: [1/s], for: 1s}]}")),
		plain("ramp without length", events("rate: {profile: [{ramp: [0/s, 1/s]}]}")),
		plain("two forms", events("rate: {profile: [{sine: {mean: 5/s, amplitude: 1/s, period: 1s}, constant: 5/s, for: 1s}]}")),
		plain("a burst that ends too late", events("rate: {profile: [{spike: {base: 1/s, peak: 9/s, at: 8s, lasts: 3s}, for: 10s}]}")),
		plain("bursts of nothing", events("rate: {profile: [{spike: {base: 1/s, peak: 0/s, at: 1s, lasts: 0s}, for: 10s}]}")),
		plain("a burst after the phases", events("rate: {profile: [{spike: {base: 1/s, peak: 9/s, at: 8s, lasts: 3s}}]}"), "phases: [{name: a, for: 9s}]"),
		plain("a swing below 0", events("rate: {profile: [{sine: {mean: 5/s, amplitude: 6/s, period: 1s}, for: 10s}]}")),
		plain("too many swings", events("rate: {profile: [{sine: {mean: 5/s, amplitude: 5/s, period: 1ms}, for: 1h}]}")),
		plain("one step", events("rate: {profile: [{step: {from: 1/s, to: 2/s, steps: 1}, for: 10s}]}")),
		plain("no trace file", events("rate: {profile: [{trace: {file: testdata/nowhere.csv}}]}")),
		plain("a trace with a length", events("rate: {profile: [{trace: {file: testdata/rates.csv}, for: 5s}]}")),
		plain("a trace without that column", events("rate: {profile: [{trace: {file: testdata/rates.csv, column: requests}}]}")),
		plain("natural without an id", events("rate: 5/s, total: 5, trace: natural")),
		plain("natural with room for nothing", events("rate: 5/s, total: 5, trace: natural, natural: {id: n, entries: 0}")),
		plain("natural, and some are shed", events("rate: 5/s, total: 5, trace: natural, natural: {id: n}, on_saturation: shed")),
		plain("natural of what is no JSON", opaqueLoad("rate: 5/s, total: 5, trace: natural, natural: {id: n}")),
		plain("arrivals", events("rate: {arrival: pareto, profile: [{constant: 1/s, for: 1s}]}")),
		plain("closed loop with a rate", events("in_flight: 5, rate: 100/s")),
		plain("closed loop without end", events("in_flight: 5")),
		plain("closed loop of none", events("in_flight: -1, total: 5")),
		plain("closed loop that sheds", events("in_flight: 5, total: 5, on_saturation: shed")),
		plain("closed loop of a replay", "load: {trips: {source: {replay: {}}, in_flight: 5}}"),
		plain("skewed keys", events("rate: {profile: [{constant: 1/s, for: 1s}]}, keys: {zipf: {n: 0, exponent: -1}}")),
		plain("more hot keys than keys", events("rate: {profile: [{constant: 1/s, for: 1s}]}, keys: {hotspot: {n: 5, hot: {keys: 6}}}")),
		plain("a shard that is not there", events("rate: {profile: [{constant: 1/s, for: 1s}]}, keys: {pinned: {of: 2, shards: [2]}}")),
		plain("sizes", "load: {events: {source: {generate: {opaque: {size: {uniform: {min: 2KiB, max: 1KiB}}}}}, rate: {profile: [{constant: 1/s, for: 1s}]}}}"),
		plain("records larger than the stream takes", "stream: {max_record: 2MiB}", "load: {events: {source: {generate: {opaque: {size: 3MiB}}}, rate: {profile: [{constant: 1/s, for: 1s}]}}}"),
		plain("records larger than the driver takes", "stream: {max_record: 5MiB}", "load: {events: {source: {generate: {opaque: {size: 3MiB}}}, rate: {profile: [{constant: 1/s, for: 1s}]}, ingress: {kinesis: {driver: a8m}}}}"),
		plain("no such record size", "stream: {max_record: 11MiB}"),
		plain("a search that cannot give its load a rate", "load: {events: {source: {generate: {stock: {}}}}}", "search: {maximize: load.events.rate, from: 5/s, to: 1/s}",
			"expect: ['events.response.p99@hold < 1s']", "consumers: {reader: {read: {polling: {every: 1ms}}}}"),
		plain("unknown placeholder", "load: {events: {source: {generate: {template: {text: '{\"a\":\"{firstnam}\"}'}}}, rate: {profile: [{constant: 1/s, for: 1s}]}}}"),
		plain("nothing due", events("rate: {profile: [{ramp: [0/s, 1/h], for: 1ns}]}")),
		plain("for ever", events("total: 9000000000G, rate: 1/h")),
		plain("for ever in phases", events("rate: 1/h"), "phases: [{name: a, for: 2000000h}, {name: b, for: 2000000h}]"),
		plain("phases", "phases: [{name: a, for: 1s}, {name: a, for: 0s}, {for: 1s}]"),
		plain("too many phases", "phases: ["+numbered("{name: p%d, for: 1s}, ", 51)+"]"),
		plain("same phase twice", "phases: [{name: a, for: 1s}, {name: a, for: 1s}]"),

		plain("more bytes than the shards take", opaqueLoad("rate: {profile: [{constant: 3000/s, for: 1s}]}")),
		plain("more stream records than the shards take", events("rate: {profile: [{constant: 2001/s, for: 1s}]}, "+noAggregation)),
		plain("a ramp that ends too high", events("rate: {profile: [{ramp: [0/s, 2001/s], for: 1s}]}, "+noAggregation)),
		plain("more than one shard takes", opaqueLoad("keys: const, rate: {profile: [{constant: 1000/s, for: 1s}]}")),
		plain("more than a lowered limit", events("rate: {profile: [{constant: 21/s, for: 1s}]}, "+noAggregation), "target: {limits: {write_records: 10/s}}"),
		plain("a hot shard", opaqueLoad("keys: {hotspot: {n: 100, hot: {share: 90%, keys: 1}}}, rate: {profile: [{constant: 1500/s, for: 1s}]}"), "stream: {shards: 4}"),
		plain("a shard that one load alone does not overload",
			"load: {a: {source: {generate: {opaque: {}}}, keys: {pinned: {of: 2, shards: [1]}}, rate: {profile: [{constant: 2k/s, for: 1s}]}}, "+
				"b: {source: {generate: {opaque: {}}}, keys: {pinned: {of: 2, shards: [1]}}, rate: {profile: [{constant: 2k/s, for: 1s}]}}}"),
		plain("keys that the records do not have", events("rate: {profile: [{constant: 1/s, for: 1s}]}, keys: {field: {name: nothing}}")),
		plain("amounts and prices", "budget: {max_cost: 5, prices: testdata/rates.ndjson}"),
		plain("too much together",
			"load: {a: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 5k/s, for: 1s}]}}, b: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 5k/s, for: 1s}]}}}"),
		plain("more polls than a shard answers", "consumers: {one: {read: {polling: {every: 200ms}}}, two: {read: {polling: {every: 300ms}}}}"),
		plain("two readers of one subscription", "consumers: {one: {read: {fanout: {consumer: app}}}, two: {read: {fanout: {consumer: app}}}, three: {read: fanout}, four: {read: fanout}}"),
		plain("no registered consumer", "consumers: {one: {read: {fanout: {consumer: 'my app'}}}}"),
		plain("polling too fast", "consumers: {reader: {read: {polling: {every: 100ms}}}}"),

		plain("tag without aggregation", events("rate: {profile: [{constant: 1/s, for: 1s}]}, ingress: {kinesis: {aggregation: {enabled: false}}}")),
		plain("tag without an aggregate", events("rate: {profile: [{constant: 1/s, for: 1s}]}, ingress: {kinesis: {driver: putrecords}}")),
		plain("settings that the driver has not", events("rate: {profile: [{constant: 1/s, for: 1s}]}, trace: prefix, "+
			"ingress: {kinesis: {driver: putrecord, connections: 99, ordered: true, gate: none, aggregation: {linger: 1s}}}")),
		plain("requests that the service refuses", events("rate: {profile: [{constant: 1/s, for: 1s}]}, trace: prefix, "+
			"ingress: {kinesis: {driver: {putrecords: {max_records: 501, max_bytes: 11MiB}}}}")),
		plain("unknown driver", events("rate: {profile: [{constant: 1/s, for: 1s}]}, ingress: {kinesis: {driver: kcl}}")),
		plain("JSON trace in opaque payloads", opaqueLoad("rate: {profile: [{constant: 1/s, for: 1s}]}, trace: json")),
		plain("field of opaque payloads", opaqueLoad("rate: {profile: [{constant: 1/s, for: 1s}]}, keys: {field: {name: x}}")),
		plain("keys set twice", events("rate: {profile: [{constant: 1/s, for: 1s}]}, keys: {const: {}}, ingress: {kinesis: {key: '{ticker}'}}")),
		plain("bad key template", events("rate: {profile: [{constant: 1/s, for: 1s}]}, ingress: {kinesis: {key: ticker}}")),
		plain("replay with a rate", "load: {trips: {source: {replay: {}}, rate: 5/s, total: 7}}"),
		plain("replay with two paces", "load: {trips: {source: {replay: {speedup: 2, asap: true}}}}"),
		plain("replay of unknown data", "load: {trips: {source: {replay: {from: 'local:paris'}}}}"),
		plain("replay out of a target that is not there", "load: {trips: {source: {replay: {from: 'local:nyc-taxi'}}}}", "target: {kind: aws}"),
		plain("replay strict and tolerant", "load: {trips: {source: {replay: {strict: true, tolerant: true}}}}"),
		plain("load and consumer of one name", "consumers: {events: {}}"),
		plain("settings of the other target", "target: {kind: local, endpoint: 'http://x', region: r}"),
		plain("limits of nothing", "target: {limits: {write_records: 1/min, read_bytes: 0B/s}, store: 1MiB}"),
		plain("unknown limits", "target: {limits: none}"),
		plain("ratios and times", "min_delivered_ratio: 1.01", "drain_timeout: 0s", "name: ''"),
		plain("not a number", "min_delivered_ratio: .nan"),
		plain("expectations", "expect:\n  - reader.lost == 0\n  - reader.e2e.reed.p99 < 1s\n  - reader.e2e.read.p99 < 500\n  - nobody.lost == 0\n  - 'reader.lost =='"),
		plain("latencies", "target: {latency: {put: 3, get: 'normal(1ms,2ms)', propagation: 2h, operations: {PutRecord: 1ms, Putrecords: 1ms}}}"),
		plain("unknown latency", "target: {latency: aws}"),
		plain("latency of an unknown operation", "target: {latency: 'PutRecordz=1ms'}"),
		plain("times of actions", "phases: [{name: a, for: 1s}]", "actions: [{at: 1s, do: {split: {}}}, {at: a+500ms, do: merge}, {at: b+1s, do: merge}, {at: 5, do: merge}, {do: merge}]"),
		plain("unknown action", "actions: [{at: 0s, do: {splt: {}}}, {at: 0s, do: {split: {}, merge: {}}}]"),
		plain("reshards", "actions: [{at: 0s, do: {split: {shard: warmest, at_hash_key: x}}}, {at: 0s, do: {merge: {with: '-1'}}}, {at: 0s, do: {update_shard_count: {to: 0}}}]"),
		plain("pauses", "actions: [{at: 0s, do: {pause_consumer: {consumer: raeder, for: 0s}}}, {at: 0s, do: {pause_consumer: {consumer: raeder}}}]"),
		plain("a pause of one of two", "consumers: {a: {read: {polling: {every: 400ms}}}, b: {read: {polling: {every: kcl3}}}}", "actions: [{at: 0s, do: pause_consumer}]"),
		plain("unknown interval", "consumers: {a: {read: {polling: {every: kcl2}}}}"),
		plain("kills", "consumers: {a: {read: {polling: {every: 400ms}}, host: {kcl: {members: 2}}}, b: {read: {polling: {every: kcl3}}}}",
			"actions: [{at: 0s, do: {kill_member: {consumer: b}}}, {at: 0s, do: {kill_member: {consumer: a, member: 3}}}, {at: 0s, do: {kill_member: {consumer: a}}}, {at: 0s, do: {kill_member: {consumer: a, member: 2}}}]"),
		plain("leases that cannot work", "consumers: {a: {host: {kcl: {members: 0, lease: 1ms, handoff: 1ms, checkpoint_every: 0s, checkpoint_records: -1, store: {file: {dir: d}}}}}}"),
		plain("leases nowhere", "consumers: {a: {host: {kcl: {store: {file: {dir: ''}}}}}, b: {host: {kcl: {store: {dynamodb: {table: '', endpoint: 'localhost:8000'}}}}}}"),
		plain("leases at no URL", "consumers: {a: {host: {kcl: {store: {dynamodb: {table: t, endpoint: 'localhost:8000'}}}}}}"),
		plain("leases of two consumers in one place", "consumers: {a: {read: {polling: {every: 1s}}, host: {kcl: {store: {file: {dir: d}}}}}, b: {read: {polling: {every: 1s}}, host: {kcl: {store: {file: {dir: ./d}}}}}, c: {read: {polling: {every: 1s}}, host: {kcl: {}}}, d: {read: {polling: {every: 1s}}, host: {kcl: {}}}}"),
		plain("leases in AWS of a run on the embedded target", "consumers: {a: {host: {kcl: {store: {dynamodb: {table: t}}}}}}"),
		plain("a pause of none", "consumers: {}", "actions: [{at: 0s, do: {pause_consumer: {}}}]"),
		plain("faults", "actions: [{at: 0s, do: {fault: {}}}, {at: 0s, do: {fault: {on: [PutRecord, Put], error: ProvisionedThroughputExceeded}}}, "+
			"{at: 0s, do: {fault: {on: [GetRecords], records: InternalFailure}}}, {at: 0s, do: {fault: {on: [PutRecords], shard: '1', cut: before_commit, delay: 1s}}}, "+
			"{at: 0s, do: {fault: {on: [put], frame: 1, clock: 3h}}}, {at: 0s, do: {fault: {clock: -3s, share: 10%}}}, {at: 0s, do: {fault: {on: [put], cut: half}}}]"),
		plain("unknown variable", "vars: {speed: 1}", events("rate: {profile: [{constant: '${sped}/s', for: 1s}]}")),
		{name: "bad --set path", src: scenario(), options: scenarios.OpenOptions{Sets: []string{"stream.shard=4"}}},
		{name: "bad --set value", src: scenario(), options: scenarios.OpenOptions{Sets: []string{"stream.shards=many"}}},
		{name: "--set without value", src: scenario(), options: scenarios.OpenOptions{Sets: []string{"stream.shards"}}},
		{name: "--set null of what is not there", src: scenario(), options: scenarios.OpenOptions{Sets: []string{"stream.shrads=null"}}},
		{name: "bad --target", src: scenario(), options: scenarios.OpenOptions{Target: "azure"}},
		{name: "broken profile", src: scenario("profiles: {aws: 5}"), options: scenarios.OpenOptions{Target: "aws"}},
	}
}

// TestProblems holds every message of an invalid scenario against
// testdata/problems.golden, the page to read when judging how kload explains
// itself.
func TestProblems(t *testing.T) {
	var page strings.Builder
	for _, c := range problemCases() {
		_, err := scenarios.Decode("test.yaml", []byte(c.src), c.options)
		if err == nil {
			t.Errorf("%s: valid", c.name)
			continue
		}
		if !errors.Is(err, kload.ErrInvalid) {
			t.Errorf("%s: %v does not wrap ErrInvalid", c.name, err)
		}
		fmt.Fprintf(&page, "== %s\n%v\n", c.name, err)
		if h, ok := errors.AsType[*kload.HintError](err); ok {
			fmt.Fprintf(&page, "hint: %s\n", h.Hint)
		}
		page.WriteString("\n")
		if ps, ok := errors.AsType[conf.Problems](err); ok {
			for _, p := range ps {
				if p.Line == 0 && !strings.HasPrefix(p.File, "--set") {
					t.Errorf("%s: no line in %v", c.name, p)
				}
			}
		}
	}
	golden(t, "testdata/problems.golden", page.String())
}

func TestValid(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
	}{
		{"as it is", nil},
		{"no consumers", []string{"consumers:"}},
		{"length from phases", []string{events("rate: 100/s"), "phases: [{name: a, for: 1s}, {name: b, for: 2s}]"}},
		{"length from total", []string{events("rate: 100/s, total: 250")}},
		{"exactly what the shards take", []string{events("rate: {profile: [{constant: 2000/s, for: 1s}]}, " + noAggregation)}},
		{"a hot shard on purpose", []string{opaqueLoad("keys: const, rate: {profile: [{constant: 900/s, for: 1s}]}, allow_throttling: true"), "target: {limits: {write_bytes: 100KiB/s}}"}},
		{"skew within the limits", []string{opaqueLoad("keys: {zipf: {n: 1000}}, rate: {profile: [{constant: 1000/s, for: 1s}]}")}},
		{"throttling on purpose", []string{opaqueLoad("rate: {profile: [{constant: 3000/s, for: 1s}]}, allow_throttling: true")}},
		{"limits off", []string{opaqueLoad("rate: {profile: [{constant: 9000/s, for: 1s}]}"), "target: {limits: off}"}},
		{"limits of the service", []string{"target: {limits: service}"}},
		{"someone else's stream on AWS", []string{opaqueLoad("rate: {profile: [{constant: 9000/s, for: 1s}]}"), "target: {kind: aws}", "stream: {create: false}"}},
		{"two slow pollers", []string{"consumers: {one: {read: {polling: {every: 400ms}}}, two: {read: {polling: {every: 400ms}}}}"}},
		{"throttled pollers", []string{"consumers: {one: {}, two: {read: {polling: {every: 10ms, allow_throttling: true}}}}"}},
		{"two loads that fit", []string{"load: {a: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 3k/s, for: 1s}]}}, b: {source: {generate: {opaque: {}}}, rate: {profile: [{constant: 3k/s, for: 1s}]}}}"}},
		{"several sinks", []string{routed("route: ticker", "AMZN: file, MSFT: file, rest: discard")}},
		{"key template", []string{events("rate: {profile: [{constant: 1/s, for: 1s}]}, ingress: {kinesis: {key: '{ticker}'}}")}},
		{"latencies", []string{"target: {latency: {put: 3ms, operations: {PutRecord: 'uniform(1ms,2ms)'}}}"}},
		{"actions", []string{"phases: [{name: a, for: 1s}]", "actions: [{at: 0s, do: split}, {at: a, do: {merge: {shard: 0, with: coldest}}}, {at: 999ms, do: {update_shard_count: {to: 4}}}]"}},
		{"actions on AWS", []string{"target: {kind: aws}", "actions: [{at: 0s, do: {fault: {clock: 5s}}}]"}},
		{"a time that may come", []string{"load: {trips: {source: {replay: {}}}}", "actions: [{at: 10h, do: split}]"}},
		{"shapes one after the other", []string{events("rate: {arrival: poisson, profile: [{step: {from: 10/s, to: 50/s}, for: 5s}, {spike: {base: 0/s, peak: 90/s, at: 1s, lasts: 1s}, for: 3s}, {sine: {mean: 50/s, amplitude: 50/s, period: 2s}, for: 5s}, {trace: {file: testdata/rates.csv, column: count, scale: 2}}]}")}},
		{"a trace of JSON lines", []string{events("rate: {profile: [{trace: {file: testdata/rates.ndjson, column: n, every: 500ms}}]}")}},
		{"closed loop in phases", []string{events("in_flight: 8"), "phases: [{name: a, for: 1s}]"}},
		{"spinning", []string{events("rate: {profile: [{constant: 1/s, for: 1s}]}, pacing: spin")}},
		{"expectation on a hop", []string{"expect: ['events.put.p99 < 1s', 'e2e.read.count == 100']"}},
	}
	for _, tt := range tests {
		if _, err := scenarios.Decode("test.yaml", []byte(scenario(tt.lines...)), scenarios.OpenOptions{}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
