package discard_test

import (
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/sinks/discard"
	"github.com/kload/kload/consumers/sinks/sinktest"
)

func TestConformance(t *testing.T) {
	sinktest.Run(t, func(*testing.T) (kload.Sink, func() []string) { return discard.New(), nil })
}
