package scenarios

import (
	"context"
	"runtime/pprof"
)

// Engines, as the label "engine" of CPU profiles has them. What has no label is
// the runtime's own: the collector, mostly.
const (
	engineProducer = "producer"
	engineConsumer = "consumer"
	engineReplay   = "replay" // reads recorded data ahead for a producer
	engineTarget   = "target" // the embedded one, where it shares the process
)

// labelled runs f, and every goroutine begun by it, under the name of an engine.
func labelled(ctx context.Context, engine string, f func(context.Context) error) error {
	var err error
	pprof.Do(ctx, pprof.Labels("engine", engine), func(ctx context.Context) { err = f(ctx) })
	return err
}
