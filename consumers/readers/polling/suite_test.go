package polling_test

import (
	"testing"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/consumers/readers/readertest"
	"github.com/kload/kload/internal/awsclient"
)

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		wire  awsclient.Wire
		limit int
	}{{awsclient.JSON, 10_000}, {awsclient.CBOR, 10_000}, {awsclient.CBOR, 3}} {
		readertest.Run(t, func(e readertest.Env) kload.Opener {
			return polling.New(polling.Options{
				API: e.Client.Over(c.wire), Stream: e.Stream, Clock: e.Clock, Fresh: e.Fresh,
				Config: polling.Config{Every: polling.Interval(200 * time.Millisecond), Start: "at_run_start", Limit: c.limit},
			})
		})
	}
}
