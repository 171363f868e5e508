package scenarios

import (
	"context"
	"fmt"

	"github.com/kload/kload/consumers/hosts/kcl"
)

// killConfig is the action kill_member: one of the workers that share a consumer's
// work dies without a word, and the others have to find out.
type killConfig struct {
	Consumer string `yaml:"consumer" help:"which; not needed where there is only one"`
	Member   int    `yaml:"member" default:"1" help:"number of the member, from 1"`
}

func (c *killConfig) describe() string { return fmt.Sprintf("%s member %d", c.Consumer, c.Member) }

func (c *killConfig) localOnly() bool { return false }

func (c *killConfig) consumer() *string { return &c.Consumer }

// killable checks that the consumer has the member, and another that can go on.
func (v *validator) killable(path string, c *killConfig) {
	spec, ok := v.spec.Consumers.Get(c.Consumer)
	if !ok {
		return // which is reported as such
	}
	host, ok := spec.Host.Config.(*kcl.Config)
	switch {
	case !ok:
		v.problem(path+".consumer", fmt.Sprintf("consumer %s has no members", c.Consumer), "set its host: {kcl: {members: 2}}")
	case c.Member < 1 || c.Member > host.Members:
		v.problem(path+".member", fmt.Sprintf("consumer %s has members 1 to %d", c.Consumer, host.Members), "")
	case v.kills(c.Consumer) >= host.Members:
		v.problem(path+".member", fmt.Sprintf("no member of %s is left to go on", c.Consumer), "raise its host's members")
	}
}

// kills returns how many members of a consumer are killed at most.
func (v *validator) kills(consumer string) int {
	members := map[int]bool{}
	for _, a := range v.spec.Actions {
		if c, ok := a.Do.Config.(*killConfig); ok && c.Consumer == consumer {
			members[c.Member] = true
		}
	}
	return len(members)
}

// killAction is a kill of a run.
type killAction struct {
	config *killConfig
	env    actionEnv
}

func newKill(c *killConfig, e actionEnv) (action, error) { return &killAction{c, e}, nil }

// carryOut kills the member between two batches and waits until the others have
// caught up. Its effect is how many leases they had to take over, and how long it
// took.
func (a *killAction) carryOut(ctx context.Context) (map[string]any, error) {
	c := a.env.consumer(a.config.Consumer)
	host := c.host.(interface{ Kill(member int) int })
	held := host.Kill(a.config.Member - 1)
	c.consumer.Stop(a.config.Member - 1)
	took, err := a.env.catchUp(ctx, c, nil)
	return map[string]any{"leases": held, "caught_up_s": took}, err
}
