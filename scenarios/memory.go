package scenarios

import (
	"fmt"

	"github.com/kload/kload/consumers"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
)

// usualMemory is where the garbage collector starts to work harder in a scenario
// with one load and one consumer of default settings: it keeps the process below
// 256 MiB even when both use up their budgets.
const usualMemory = 176 << 20

// MemoryLimit returns the memory limit that suits the scenario, in bytes, for
// [debug.SetMemoryLimit]: what is usual, and what its byte budgets and the store
// of a target in this process need beyond that.
func (s *Scenario) MemoryLimit() int64 {
	sending, fetched := s.budgets()
	limit := usualMemory + max(0, sending+fetched-int64(producer.DefaultConfig().Memory)-consumers.DefaultMemory)
	if s.Spec.Target.Kind == "local" && s.Spec.Target.Process == "shared" {
		limit += int64(s.Spec.Target.Store)
	}
	for _, c := range s.cells {
		limit = max(limit, c.MemoryLimit())
	}
	return limit
}

// budgets returns the bytes that loads may have under way and consumers may have
// fetched and not yet processed.
func (s *Scenario) budgets() (sending, fetched int64) {
	for i := range s.plan.loads {
		sending += int64(s.plan.loads[i].ingress.Memory)
	}
	for _, c := range s.Spec.Consumers.All() {
		fetched += int64(c.Memory)
	}
	return sending, fetched
}

func (s *Scenario) explainMemory() string {
	size := func(n int64) string { return units.Bytes(n).String() }
	sending, fetched := s.budgets()
	return fmt.Sprintf("at most %s of records being sent and %s fetched and not yet processed; the garbage collector aims at %s in all",
		size(sending), size(fetched), size(s.MemoryLimit()))
}
