package polling_test

import (
	"testing"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/consumers/readers/readertest"
)

func TestConformance(t *testing.T) {
	for _, limit := range []int{10_000, 3} {
		readertest.Run(t, func(e readertest.Env) kload.Opener {
			return polling.New(polling.Options{
				API: e.Client.Data, Stream: e.Stream, Clock: e.Clock, Fresh: e.Fresh,
				Config: polling.Config{Every: 200 * time.Millisecond, Start: "at_run_start", Limit: limit},
			})
		})
	}
}
