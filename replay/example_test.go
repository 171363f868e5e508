package replay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/replay"
)

// Two days of taxi trips become half a minute of load.
func ExampleNew() {
	speedup, err := replay.ParseSpeedup("6480")
	if err != nil {
		log.Fatal(err)
	}
	src, err := replay.New(replay.Config{From: "builtin:nyc-taxi", Timestamp: "dropoff_datetime", Speedup: speedup})
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()

	var last time.Duration
	records := make([]kload.Record, 500)
	for err == nil {
		var n int
		n, err = src.Next(context.Background(), records)
		for _, r := range records[:n] {
			last = time.Duration(r.Intended)
		}
	}
	if !errors.Is(err, io.EOF) {
		log.Fatal(err)
	}
	fmt.Println(src.Counters()["rows"], "trips, the last due after", last.Round(time.Millisecond))
	// Output: 5000 trips, the last due after 30.34s
}
