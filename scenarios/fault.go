package scenarios

import (
	"context"
	"time"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/local/faults"
	localkinesis "github.com/kload/kload/internal/local/kinesis"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/shard"
	"github.com/kload/kload/internal/units"
)

// faultConfig is the action fault: the embedded target goes wrong for a while.
type faultConfig struct {
	faults.Fault
	For time.Duration `yaml:"for" help:"how long; until the loads have ended if absent"`
}

// Validate checks the fault against the operations that the target has.
func (c *faultConfig) Validate() []conf.Issue { return c.Check(localkinesis.Operations()) }

func (c *faultConfig) describe() string {
	if c.For == 0 {
		return c.String()
	}
	return c.String() + ", for " + units.ExactDuration(c.For)
}

func (c *faultConfig) localOnly() bool { return true }

func (c *faultConfig) needsHeat() bool { return c.Shard.Relative() }

// faultAction is a fault of a run.
type faultAction struct {
	config *faultConfig
	env    actionEnv
}

func newFault(c *faultConfig, e actionEnv) (action, error) { return &faultAction{c, e}, nil }

// carryOut has the fault in force for its time. Its effect is how many calls,
// records or events it judged, and how many it made go wrong.
func (a *faultAction) carryOut(ctx context.Context) (map[string]any, error) {
	f := a.config.Fault
	if f.Shard.Relative() {
		sh, err := a.env.findShard(ctx, f.Shard)
		if err != nil {
			return nil, err
		}
		f.Shard = shard.Ref(sh.ID)
	}
	id, err := a.env.target.Inject(ctx, f)
	if err != nil {
		return nil, err
	}
	a.wait(ctx)
	lifting, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	effect, err := a.env.target.Lift(lifting, id)
	if err == nil && effect.Hits == 0 && f.Clock == 0 {
		a.env.note("fault %s: it hit nothing, of %d that it might have", a.config.describe(), effect.Judged)
	}
	return map[string]any{"judged": effect.Judged, "hits": effect.Hits}, err
}

// wait waits until the fault's time is over, or that of the run.
func (a *faultAction) wait(ctx context.Context) {
	if a.config.For > 0 {
		_ = pace.NewPacer(a.env.clock).Sleep(ctx, a.config.For) // a run that ends ends its faults
		return
	}
	select {
	case <-a.env.ended:
	case <-ctx.Done():
	}
}
