// Package generate_test holds what every generator of JSON records promises.
package generate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/invariants"
	"github.com/kload/kload/producer/generate/accesscard"
	"github.com/kload/kload/producer/generate/banktx"
	"github.com/kload/kload/producer/generate/order"
	"github.com/kload/kload/producer/generate/report"
	"github.com/kload/kload/producer/generate/stock"
	"github.com/kload/kload/producer/generate/taxi"
	"github.com/kload/kload/producer/generate/template"
	"github.com/kload/kload/producer/generate/transaction"
)

type sized interface{ RecordBytes() int }

type generator struct {
	name   string
	config sized
	make   func(seed uint64) kload.Source
	fixed  bool // the seed has no effect
}

const text = `{"id":{seq},"at":"{now}","ms":{unix_ms},"u":"{uuid}","k":"{key}","who":"{name}","said":"{quote}","n":{number:1,9}}`

func generators(t testing.TB) []generator {
	o, tx, r := &order.Config{Accounts: 100, Key: "account"}, &transaction.Config{Key: "bank"}, &report.Config{Key: "asin"}
	a, b, tr := &accesscard.Config{Employees: 100}, &banktx.Config{Accounts: 100}, &taxi.Config{}
	tm := &template.Config{Text: text, Format: "json", Variants: 256, Keys: 50}
	st := &stock.Config{}
	return []generator{
		{"stock", st, func(s uint64) kload.Source { return stock.New(st, s) }, false},
		{"taxi", tr, func(s uint64) kload.Source { return taxi.New(tr, s) }, false},
		{"order", o, func(s uint64) kload.Source { return order.New(o, s) }, false},
		{"transaction", tx, func(s uint64) kload.Source { return transaction.New(tx, s) }, false},
		{"report", r, func(s uint64) kload.Source { return report.New(r, s) }, true},
		{"access_card", a, func(s uint64) kload.Source { return accesscard.New(a, s) }, false},
		{"bank_tx", b, func(s uint64) kload.Source { return banktx.New(b, s) }, false},
		{"template", tm, func(s uint64) kload.Source {
			src, err := template.New(tm, s)
			if err != nil {
				t.Fatal(err)
			}
			return src
		}, false},
	}
}

// at is the intended time of the first record of a batch; they are 1 ms apart.
func at(t testing.TB) int64 {
	day, err := time.Parse(time.RFC3339Nano, "2024-02-29T23:59:59.995Z")
	if err != nil {
		t.Fatal(err)
	}
	return day.UnixNano()
}

func next(t testing.TB, src kload.Source, recs []kload.Record) {
	t.Helper()
	start := at(t)
	for i := range recs {
		recs[i] = kload.Record{Intended: start + int64(i)*1e6}
	}
	if n, err := src.Next(t.Context(), recs); n != len(recs) || err != nil {
		t.Fatalf("Next gave %d, %v", n, err)
	}
}

func TestGenerators(t *testing.T) {
	for _, g := range generators(t) {
		t.Run(g.name, func(t *testing.T) {
			const n = 2000
			recs, again, other := make([]kload.Record, n), make([]kload.Record, n), make([]kload.Record, n)
			next(t, g.make(1), recs)
			next(t, g.make(1), again)
			next(t, g.make(2), other)
			bytes, differ := 0, 0
			for i, r := range recs {
				if !json.Valid(r.Data) || r.Data[0] != '{' || len(r.Data) > 1024 {
					t.Fatalf("record %d: %s", i, r.Data)
				}
				if len(r.Key) == 0 || cap(r.Data) != len(r.Data) {
					t.Fatalf("record %d has key %q, and %d bytes of %d", i, r.Key, len(r.Data), cap(r.Data))
				}
				if string(r.Data) != string(again[i].Data) || string(r.Key) != string(again[i].Key) {
					t.Fatalf("record %d is another under the same seed:\n%s\n%s", i, r.Data, again[i].Data)
				}
				if string(r.Data) != string(other[i].Data) {
					differ++
				}
				bytes += len(r.Data)
			}
			if g.fixed != (differ == 0) {
				t.Errorf("%d of %d records differ under another seed", differ, n)
			}
			if mean := float64(bytes) / n; math.Abs(mean-float64(g.config.RecordBytes())) > 0.1*mean {
				t.Errorf("records have %.0f bytes, RecordBytes() = %d", mean, g.config.RecordBytes())
			}
		})
	}
}

func TestNoAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, g := range generators(t) {
		src, recs := g.make(1), make([]kload.Record, 500)
		next(t, src, recs)
		if n := testing.AllocsPerRun(20, func() { _, _ = src.Next(t.Context(), recs) }); n != 0 {
			t.Errorf("%s: %v allocations for 500 records", g.name, n)
		}
	}
}

// TestFields looks into records of each kind.
func TestFields(t *testing.T) {
	get := func(name string, i int) (r kload.Record, v map[string]any) {
		for _, g := range generators(t) {
			if g.name == name {
				recs := make([]kload.Record, i+1)
				next(t, g.make(1), recs)
				if err := json.Unmarshal(recs[i].Data, &v); err != nil {
					t.Fatal(err)
				}
				return recs[i], v
			}
		}
		t.Fatal(name)
		return r, nil
	}
	_, trip := get("taxi", 7)
	if trip["trip_id"] != 7.0 || trip["dropoff_datetime"] != "2024-03-01T00:00:00.002Z" || trip["pickup_datetime"].(string) >= trip["dropoff_datetime"].(string) {
		t.Errorf("taxi: %v", trip)
	}
	r, order := get("order", 42)
	if o := order["order"].(map[string]any); o["accountid"] != "a42" || string(r.Key) != "a42" || o["orderdate"] != "2024-03-01 00:00:00.037000" {
		t.Errorf("order: %v", order)
	}
	r, tx := get("transaction", 0)
	if amount := tx["transaction"].(float64); amount < 1000 || amount > 10_000 || tx["bankId"] != string(r.Key) || tx["createdAt"] != "2024-02-29T23:59:59.995Z" {
		t.Errorf("transaction: %v", tx)
	}
	r, card := get("access_card", 3)
	if card["EmployeeId"] != "E000003" || string(r.Key) != "E000003" || len(card["RequestId"].(string)) != 64 {
		t.Errorf("access_card: %v", card)
	}
	_, verify := get("bank_tx", 1)
	if verify["Type"] != "verify_cash_deposit" || verify["PreviousRequestIdReference"] == nil {
		t.Errorf("bank_tx: %v", verify)
	}
	r, own := get("template", 9)
	if own["id"] != 9.0 || own["k"] != string(r.Key) || len(own["u"].(string)) != 36 || own["ms"].(float64) != float64(at(t)/1e6+9) {
		t.Errorf("template: %v with key %q", own, r.Key)
	}
}

// TestReport holds the sums that a query over one round must find.
func TestReport(t *testing.T) {
	recs := make([]kload.Record, 2*report.Rows)
	next(t, report.New(&report.Config{Key: "const"}, 1), recs)
	asins, sellers, views, units, bytes := map[string]bool{}, map[string]bool{}, 0, 0, 0
	for i, r := range recs[:report.Rows] {
		var row struct {
			ASIN   string `json:"asin"`
			Seller string `json:"seller_central_id"`
			Views  int    `json:"page_views"`
			Units  int    `json:"units_ordered"`
		}
		if err := json.Unmarshal(r.Data, &row); err != nil {
			t.Fatal(err)
		}
		asins[row.ASIN], sellers[row.Seller] = true, true
		views, units, bytes = views+row.Views, units+row.Units, bytes+len(r.Data)
		if string(r.Data) != string(recs[i+report.Rows].Data) || string(r.Key) != "asin" {
			t.Errorf("row %d is another in the second round, or its key %q", i, r.Key)
		}
	}
	got := []int{len(asins), len(sellers), views, units, bytes}
	if diff := cmp.Diff([]int{37, 1, 591, 37, 14_837}, got); diff != "" {
		t.Errorf("asins, sellers, views, units, bytes: -want +got:\n%s", diff)
	}
}

func TestTemplateValidate(t *testing.T) {
	tests := []struct {
		text, format string
		keys         int
		says         string // "" for nothing
	}{
		{text, "json", 5, ""},
		{`{"a":{"b":"{firstname}"}}`, "json", 0, ""},
		{`{name},{seq}`, "text", 0, ""},
		{`{name},{seq}`, "json", 0, "no JSON"},
		{`{"a":"{nobody_knows}"}`, "json", 0, "unknown placeholder"},
		{`{"a":"{key}"}`, "json", 0, "not chosen"},
		{`{"a":{name}}`, "json", 0, "no JSON"},
		{`{"a":"{firstName}"}`, "json", 0, "no placeholder: {firstName}"},
		{`{"a":"{regex:[a-z]{3}}"}`, "json", 0, "no placeholder: {regex:"},
		{`{"a":"c:\\","b":"{quote}"}`, "json", 0, ""},
		{``, "text", 0, "between"},
	}
	for _, tt := range tests {
		c := template.Config{Text: tt.text, Format: tt.format, Variants: 10, Keys: 0}
		if tt.keys > 0 {
			c.Keys = 5
		}
		got := c.Validate()
		if said := fmt.Sprint(got); (len(got) == 0) != (tt.says == "") || !strings.Contains(said, tt.says) {
			t.Errorf("%s as %s: %s, want %q", tt.text, tt.format, said, tt.says)
		}
	}
}

// TestTemplateVariants holds that all variants are checked, under the seed that
// they are used with: a tenth of these begins with a 0 and is no JSON.
func TestTemplateVariants(t *testing.T) {
	refused := 0
	for seed := range uint64(20) {
		src, err := template.New(&template.Config{Text: `{"n":{digit}{digit}}`, Format: "json", Variants: 4}, seed)
		if errors.Is(err, kload.ErrInvalid) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		recs := make([]kload.Record, 50)
		next(t, src, recs)
		for _, r := range recs {
			if !json.Valid(r.Data) {
				t.Errorf("seed %d: %s", seed, r.Data)
			}
		}
	}
	if refused == 0 || refused == 20 {
		t.Errorf("%d of 20 refused", refused)
	}
}

func BenchmarkGenerate(b *testing.B) {
	for _, g := range generators(b) {
		b.Run(g.name, func(b *testing.B) {
			src, recs := g.make(1), make([]kload.Record, 1000)
			next(b, src, recs)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%len(recs) == 0 {
					if _, err := src.Next(b.Context(), recs); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
