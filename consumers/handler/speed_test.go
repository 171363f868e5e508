//go:build unix

package handler_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/proc"
)

func TestAllocations(t *testing.T) {
	const n = 1000
	payloads := make([]string, n)
	for i := range payloads {
		payloads[i] = fmt.Sprintf(`{"id":%d,"type":"%s"}`, i, []string{"yellow", "green"}[i%2])
	}
	b := batchOf(payloads...)
	results := make([]kload.HandlerResult, n)
	for config, want := range map[string]float64{
		`cost: {cpu: 1ns, per: batch}`:            0,
		`fail_on: 1%`:                             0.1, // failures are noted until enough are
		`filter: "id % 20 == 0"`:                  2,   // the machine's: its handler of panics and the field as a number
		`route: type`:                             0,
		`route: "'green'"`:                        0,
		`route: "_size > 2 ? 'green' : 'yellow'"`: 2, // as of a filter
	} {
		r := newRig(t, config)
		r.handle(t, b)
		if got := testing.AllocsPerRun(10, func() {
			if err := r.Handle(t.Context(), b, results); err != nil {
				t.Error(err)
			}
		}) / n; got > want {
			t.Errorf("%s: %.2f allocations a record, want at most %v", config, got, want)
		}
	}
}

func BenchmarkHandle(b *testing.B) {
	const n = 1000
	payloads := make([]string, n)
	for i := range payloads {
		payloads[i] = fmt.Sprintf(`{"vendor_id":2,"pickup_datetime":"2018-01-01T00:21:05.000Z","passenger_count":1,"trip_distance":0.5,`+
			`"payment_type":"1","fare_amount":4.5,"total_amount":5.8,"dropoff_datetime":"2018-01-01T00:24:23.000Z","trip_id":%d,"type":"trip"}`, i)
	}
	batch := batchOf(payloads...)
	read := slices.Clone(batch.Users)
	results := make([]kload.HandlerResult, n)
	for name, config := range map[string]string{
		"filter":    `filter: "trip_id % 20 == 0"`,
		"two":       `filter: "total_amount > 5 && trip_id % 20 == 0"`,
		"text":      `filter: "payment_type == '2'"`,
		"share":     `fail_on: 1%`,
		"field":     `route: type`,
		"condition": `route: "total_amount > 5 ? 'yellow' : 'green'"`,
		"transform": `transform: {set: {twice: "trip_id * 2"}, remove: [type]}`,
	} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, config)
			b.ReportAllocs()
			start := proc.CPUTime()
			for b.Loop() {
				copy(batch.Users, read)
				if err := r.Handle(b.Context(), batch, results); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(proc.CPUTime()-start)/float64(b.N)/n, "cpu-ns/rec")
		})
	}
}
