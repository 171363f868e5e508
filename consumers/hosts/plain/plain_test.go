package plain_test

import (
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/hosts/hosttest"
	"github.com/kload/kload/consumers/hosts/plain"
)

func TestConformance(t *testing.T) {
	hosttest.Run(t, func(e hosttest.Env) kload.Host {
		return plain.New(plain.Options{
			Handler: e.Handler, Sink: e.Sink, Ledger: e.Ledger, Hops: e.Hops, Clock: e.Clock, Phase: e.Phase,
		})
	})
}
