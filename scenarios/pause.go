package scenarios

import (
	"context"
	"time"

	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/units"
)

// pauseConfig is the action pause_consumer: a consumer stands still for a while,
// as one does that is stuck or being redeployed.
type pauseConfig struct {
	Consumer string        `yaml:"consumer" help:"which; not needed where there is only one"`
	For      time.Duration `yaml:"for" default:"20s" help:"how long"`
}

// Validate checks the duration.
func (c *pauseConfig) Validate() []conf.Issue {
	if c.For <= 0 {
		return []conf.Issue{{Field: "for", Msg: "must be positive"}}
	}
	return nil
}

func (c *pauseConfig) describe() string {
	if c.Consumer == "" {
		return "for " + units.ExactDuration(c.For)
	}
	return c.Consumer + " for " + units.ExactDuration(c.For)
}

func (c *pauseConfig) localOnly() bool { return false }

func (c *pauseConfig) consumer() *string { return &c.Consumer }

// pauseAction is a pause of a run.
type pauseAction struct {
	config *pauseConfig
	env    actionEnv
}

func newPause(c *pauseConfig, e actionEnv) (action, error) { return &pauseAction{c, e}, nil }

// carryOut pauses the consumer and waits until it has caught up with everything
// that was stored when it went on. Its effect is what it had missed by then, and
// how long catching up took.
func (a *pauseAction) carryOut(ctx context.Context) (map[string]any, error) {
	c := a.env.consumer(a.config.Consumer)
	pacer := pace.NewPacer(a.env.clock)
	c.consumer.Pause()
	err := pacer.Sleep(ctx, a.config.For)
	backlog := c.ledger.Missing()
	c.consumer.Resume()
	took, err := a.env.catchUp(ctx, c, err)
	return map[string]any{"backlog": backlog, "caught_up_s": took}, err
}
