package scenarios

import (
	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/dynamodb"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/consumers/hosts/kcl"
	"github.com/kload/kload/consumers/hosts/plain"
)

func newPlain(c handler.Config, e hostEnv) (kload.Host, error) {
	h, err := e.handler(c)
	if err != nil {
		return nil, err
	}
	return plain.New(plain.Options{Handler: h, Sink: e.sink, Ledger: e.ledger, Hops: e.hops, Clock: e.clock, Phase: e.phase}), nil
}

// newKCL shares the stream among workers, each of which does what the plain host
// does.
func newKCL(c *kcl.Config, e hostEnv) (kload.Host, error) {
	inner, err := newPlain(c.Config, e)
	if err != nil {
		return nil, err
	}
	store, err := build(newRegistry().stores, c.Store, e.dialing)
	if err != nil {
		return nil, err
	}
	return kcl.New(kcl.Options{Config: *c, Store: store, Inner: inner, Clock: e.clock, Name: e.name, Event: e.event}), nil
}

// stores checks that a run that needs no account does not reach out for one.
func (v *validator) stores() {
	for name, c := range v.spec.Consumers.All() {
		host, ok := c.Host.Config.(*kcl.Config)
		if !ok || v.spec.Target.Kind != "local" {
			continue
		}
		if d, ok := host.Store.Config.(*dynamodb.Config); ok && d.Endpoint == "" {
			v.problem("consumers."+name+".host.kcl.store.dynamodb", "the embedded target has no DynamoDB",
				"set endpoint to that of a DynamoDB Local, choose store: {file: {dir: DIR}} or memory, or set target.kind: aws")
		}
	}
}

// members returns the hosts that want a consumer each.
func members(h kload.Host) []kload.Host {
	if g, ok := h.(interface{ Members() []kload.Host }); ok {
		return g.Members()
	}
	return []kload.Host{h}
}
