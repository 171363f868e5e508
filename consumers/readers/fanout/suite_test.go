package fanout_test

import (
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/readers/fanout"
	"github.com/kload/kload/consumers/readers/readertest"
	"github.com/kload/kload/internal/hdr"
)

func TestConformance(t *testing.T) {
	readertest.Run(t, func(e readertest.Env) kload.Opener {
		return fanout.New(fanout.Options{
			Client: e.Client, Stream: e.Stream, Clock: e.Clock, Fresh: e.Fresh, Name: "reader-of-the-test", Run: "0",
			Hops: hdr.NewSet("c", kload.HopResubscribe), Config: fanout.Config{Start: "at_run_start"},
		})
	})
}
