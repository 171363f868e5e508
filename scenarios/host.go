package scenarios

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/dynamodb"
	leasefile "github.com/kload/kload/consumers/checkpoints/file"
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
	if e.fresh {
		if err := unused(e.ctx, store); err != nil {
			return nil, errors.Join(err, store.Close())
		}
	}
	return kcl.New(kcl.Options{Config: *c, Store: store, Inner: inner, Clock: e.clock, Name: e.name, Event: e.event}), nil
}

// unused refuses, for a stream that was created just now, a store with leases that
// have come some way. They are of another stream, most likely of the same name:
// where they stand is not in this one, and what they say is done would never be
// read. Leases that have not begun may be those of a process that was faster.
func unused(ctx context.Context, store kload.Store) error {
	leases, err := store.Leases(ctx)
	begun := func(l kload.Lease) bool { return l.Position.Start >= kload.After }
	i := slices.IndexFunc(leases, begun)
	if err != nil || i < 0 {
		return err
	}
	return kload.WithHint(fmt.Errorf("%w: the store has checkpoints already, such as that of %s, and the stream is new", kload.ErrInvalid, leases[i].Partition),
		"they are of another stream, or of an earlier one of this name: delete them, choose another directory or table, or read the stream that they belong to (stream.create: false)")
}

// stores checks that a run that needs no account does not reach out for one, and
// that consumers have leases of their own.
func (v *validator) stores() {
	users := map[any]string{}
	for name, c := range v.spec.Consumers.All() {
		host, ok := c.Host.Config.(*kcl.Config)
		if !ok {
			continue
		}
		at := "consumers." + name + ".host.kcl.store." + host.Store.Kind
		var place any
		switch s := host.Store.Config.(type) {
		case *leasefile.Config:
			place = leasefile.Config{Dir: filepath.Clean(s.Dir)}
		case *dynamodb.Config:
			place = dynamodb.Config{Table: s.Table, Endpoint: s.Endpoint}
			if v.spec.Target.Kind == "local" && s.Endpoint == "" {
				v.problem(at, "the embedded target has no DynamoDB",
					"set endpoint to that of a DynamoDB Local, choose store: {file: {dir: DIR}} or memory, or set target.kind: aws")
			}
		default:
			continue
		}
		if other, taken := users[place]; taken {
			v.problem(at, "consumer "+other+" keeps its leases there, too",
				"they would share the shards, and each would miss what the other reads: give each its own; for more workers raise members")
		}
		users[place] = name
	}
}

// members returns the hosts that want a consumer each.
func members(h kload.Host) []kload.Host {
	if g, ok := h.(interface{ Members() []kload.Host }); ok {
		return g.Members()
	}
	return []kload.Host{h}
}
