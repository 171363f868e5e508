//go:build unix

package producer_test

import (
	"context"
	"strconv"

	"github.com/kload/kload/test/bench/rows"
)

// sizes of user records.
func sizes() []int { return []int{100, 250, 1024} }

// all lists what is measured, in order.
func all() []rows.Row {
	list := []rows.Row{{Name: "Primitives", Run: primitives}}
	for _, size := range sizes() {
		at := "Put/size=" + strconv.Itoa(size)
		list = append(list,
			rows.Row{Name: at + "/kload", Run: func(ctx context.Context, e *rows.Env) (*rows.Figures, error) { return putKload(ctx, e, size) }},
			rows.Row{Name: at + "/a8m-aggregator+sdk", Share: 50, Run: func(ctx context.Context, e *rows.Env) (*rows.Figures, error) { return putAggregator(ctx, e, size) }},
			rows.Row{Name: at + "/a8m-producer", Share: 50, Fragile: true, Run: func(ctx context.Context, e *rows.Env) (*rows.Figures, error) { return putA8M(ctx, e, size) }},
			kplRow(at+"/kpl", size),
		)
	}
	return append(list,
		rows.Row{Name: "Put2/size=250/kload", Procs: 2, Run: func(ctx context.Context, e *rows.Env) (*rows.Figures, error) { return putKload(ctx, e, 250) }},
		rows.Row{Name: "Put2/size=250/a8m-producer", Procs: 2, Share: 50, Fragile: true, Run: func(ctx context.Context, e *rows.Env) (*rows.Figures, error) { return putA8M(ctx, e, 250) }},
		rows.Row{Name: "PutRecords/5MB/kload", Share: 200, Run: putRecordsKload},
		rows.Row{Name: "PutRecords/5MB/sdk", Run: putRecordsSDK},
		rows.Row{Name: "GetRecords/decode/kload", Share: 500, Run: getRecordsKload},
		rows.Row{Name: "GetRecords/decode/sdk", Run: getRecordsSDK},
	)
}
