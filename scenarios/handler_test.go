package scenarios_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload/results"
	"github.com/kload/kload/scenarios"
)

// handling sends 400 trips, of which the handler keeps each fourth, and fails on
// each tenth of those and on what has no zone.
const handling = `
apiVersion: kload/v1
name: handling
stream: {shards: 2}
load: {trips: {source: {generate: {taxi: {}}}, rate: {profile: [{constant: 100/s, for: 4s}]}}}
consumers:
  reader:
    read: {polling: {every: 400ms}}
    host: {plain: {
      filter: "trip_id % 4 == 0", transform: {set: {trip_id: "trip_id / 4", key: _key}, remove: [pickup_datetime]},
      fail_on: "trip_id % 40 == 0", on_error: {do: retry, attempts: 2, backoff: 10ms}, cost: 1ms}}
    sink: {file: {}}
expect: ["reader.lost == 0", "reader.filtered == 300", "reader.dead_lettered == 10", "reader.handler_failed_attempts == 20", "reader.expression_errors == 0"]
`

// TestHandlerReconciles has a handler that leaves records out, fails on some and
// gives others new payloads: the books balance, and a fault is found as ever.
func TestHandlerReconciles(t *testing.T) {
	for _, inject := range []string{"", "drop=1@target", "drop=1@sink:reader", "dup=1@consumer:reader"} {
		t.Run(inject, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := scenarios.RunOptions{}
				if inject != "" {
					o.Inject = []string{inject}
				}
				out := run(t.Context(), t, handling, o, "drain_timeout=5s")
				c := out.Consumers["reader"]
				if c.ReadUnique != c.OK+c.Filtered+c.DeadLettered {
					t.Errorf("the books do not balance: %+v", c)
				}
				if inject != "" {
					out.judged(t, results.Fail, 3)
					return
				}
				out.judged(t, results.Pass, 0)
				want := ledger{Acked: 400, ReadUnique: 400, Others: 310, OK: 90, Sunk: 90}
				if d := cmp.Diff(want, out.ledger("reader")); d != "" || out.err != nil {
					t.Errorf("%v (-want +got)\n%s", out.err, d)
				}
				if h := out.Hops["reader/handle"]; time.Duration(h.Max) < 11*time.Millisecond {
					t.Errorf("handling took at most %v", time.Duration(h.Max))
				}
				checkPayloads(t, filepath.Join(out.dir, "sink", "reader.jsonl"))
			})
		})
	}
}

// checkPayloads wants the trips that the handler passed on, changed.
func checkPayloads(t *testing.T, file string) {
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(written), []byte("\n"))
	for i := range 100 {
		found := 0
		for _, line := range lines {
			if bytes.Contains(line, fmt.Appendf(nil, `"trip_id":%d,`, i)) && bytes.Contains(line, []byte(`"key":"`)) &&
				!bytes.Contains(line, []byte("pickup_datetime")) {
				found++
			}
		}
		if (found == 1) != (i%10 != 0) {
			t.Errorf("trip %d was written %d times", 4*i, found)
		}
	}
}

// TestExpressionErrors counts and reports what cannot be evaluated, and does not
// take it for false.
func TestExpressionErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := run(t.Context(), t, handling, scenarios.RunOptions{},
			`consumers.reader.host={plain: {filter: "trip_id != 5 || payment_type > 0"}}`, `expect=["reader.expression_errors == 1"]`)
		out.judged(t, results.Pass, 0)
		if c := out.Consumers["reader"]; c.OK != 399 || c.DeadLettered != 1 {
			t.Errorf("%+v", c)
		}
		events, err := os.ReadFile(filepath.Join(out.dir, results.FileEvents))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(events), `"handler_failure"`); n != 1 || !strings.Contains(string(events), "string \\u003e int") && !strings.Contains(string(events), "string > int") {
			t.Errorf("%d failures reported in\n%s", n, events)
		}
	})
}

// TestHandlerEndsTheRun has a batch fail, which the plain host cannot get over.
func TestHandlerEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := run(t.Context(), t, handling, scenarios.RunOptions{}, "consumers.reader.host.plain.on_error=fail")
		if out.err == nil || !strings.Contains(out.err.Error(), "handling records: record ") || out.ExitCode == 0 {
			t.Errorf("exit code %d, %v", out.ExitCode, out.err)
		}
	})
}

// TestHandlerIsExplained writes a handler out, reads it back and holds both its
// short and its long form against the schema.
func TestHandlerIsExplained(t *testing.T) {
	validate := schemaCheck(t)
	for _, src := range []string{
		handling,
		scenario(hosted(`filter: ticker == 'AMZN', fail_on: 1.5%, on_error: retry, cost: 2ms, transform: "{a: price}"`)),
		scenario(routed(`route: "price > 50 ? 'dear' : 'cheap'"`, "dear: {file: {}}, cheap: discard")),
		scenario(hosted(`fail_on: {when: price > 1, share: 50%, times: 1}, on_error: {do: retry, attempts: 4}, cost: {cpu: 1ms, per: batch}`)),
	} {
		s, err := scenarios.Decode("test.yaml", []byte(src), scenarios.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.Explain()
		if err != nil {
			t.Fatal(err)
		}
		again, err := scenarios.Decode("explained", text, scenarios.OpenOptions{})
		if err != nil {
			t.Fatalf("what it explains is not valid: %v\n%s", err, text)
		}
		if d := cmp.Diff(s.Spec, again.Spec); d != "" {
			t.Errorf("what it explains is another scenario (-want +got)\n%s", d)
		}
		for _, form := range []string{src, string(text)} {
			if err := validate([]byte(form)); err != nil {
				t.Errorf("%v\n%s", err, form)
			}
		}
	}
}
