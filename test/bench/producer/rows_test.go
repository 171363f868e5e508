//go:build unix

package producer_test

import (
	"context"
	"strconv"
)

// row is one thing that is measured.
type row struct {
	name  string // of the benchmark
	procs int    // GOMAXPROCS
	share int    // of the payload that other rows move, percent
	// fragile rows may crash or hang: that is their figure.
	fragile bool
	run     func(context.Context, *env) (*figures, error)
}

// sizes of user records.
func sizes() []int { return []int{100, 250, 1024} }

// rows lists what is measured, in order.
func rows() []row {
	list := []row{{name: "Primitives", procs: 1, share: 100, run: primitives}}
	for _, size := range sizes() {
		at := "Put/size=" + strconv.Itoa(size)
		list = append(list,
			row{name: at + "/kload", procs: 1, share: 100, run: func(ctx context.Context, e *env) (*figures, error) { return putKload(ctx, e, size) }},
			row{name: at + "/a8m-aggregator+sdk", procs: 1, share: 50, run: func(ctx context.Context, e *env) (*figures, error) { return putAggregator(ctx, e, size) }},
			row{name: at + "/a8m-producer", procs: 1, share: 50, fragile: true, run: func(ctx context.Context, e *env) (*figures, error) { return putA8M(ctx, e, size) }},
		)
	}
	return append(list,
		row{name: "Put2/size=250/kload", procs: 2, share: 100, run: func(ctx context.Context, e *env) (*figures, error) { return putKload(ctx, e, 250) }},
		row{name: "Put2/size=250/a8m-producer", procs: 2, share: 50, fragile: true, run: func(ctx context.Context, e *env) (*figures, error) { return putA8M(ctx, e, 250) }},
		row{name: "PutRecords/5MB/kload", procs: 1, share: 200, run: putRecordsKload},
		row{name: "PutRecords/5MB/sdk", procs: 1, share: 100, run: putRecordsSDK},
		row{name: "GetRecords/decode/kload", procs: 1, share: 500, run: getRecordsKload},
		row{name: "GetRecords/decode/sdk", procs: 1, share: 100, run: getRecordsSDK},
	)
}
