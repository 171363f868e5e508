package memory_test

import (
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/memory"
	"github.com/kload/kload/consumers/checkpoints/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) func() kload.Store {
		return func() kload.Store { return memory.New() }
	})
}
