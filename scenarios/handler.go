package scenarios

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/jsonfield"
	"github.com/kload/kload/replay"
)

// handlers makes the handlers of one consumer's host, which route to the named sinks.
func (r *run) handlers(consumer string, sinks []string) func(handler.Config) (kload.Handler, error) {
	return func(c handler.Config) (kload.Handler, error) {
		h, err := handler.New(handler.Options{
			Config: c, Clock: r.clock, Seed: seedFor(r.plan.spec.Seed, consumer), Routes: sinks,
			Report: func(f handler.Failure) {
				r.event("handler_failure", map[string]any{
					"consumer": consumer, "setting": f.Setting, "shard": f.Shard, "sequence": f.Sequence, "sub": f.Sub, "reason": f.Err.Error(),
				})
			},
		})
		if h == nil {
			return nil, err // a nil pointer inside an interface would be a handler
		}
		return h, err
	}
}

// handlers checks that the fields that handlers need are in the records, where it
// is known what these look like.
func (v *validator) handlers(p *plan) {
	var known []string
	for name, c := range v.spec.Consumers.All() {
		host, ok := c.Host.Config.(interface{ Fields() []handler.Field })
		if !ok || !v.sound("consumers."+name) {
			continue
		}
		needed := host.Fields()
		if len(needed) == 0 {
			continue
		}
		if known == nil {
			if known = p.fields(v.spec.Seed); len(known) == 0 {
				return
			}
		}
		for _, f := range needed {
			if !slices.Contains(known, f.Name) {
				v.problem("consumers."+name+".host."+c.Host.Kind+"."+f.Setting,
					fmt.Sprintf("column %d: no record has a field %q", f.Column, f.Name)+conf.DidYouMean(f.Name, known),
					"if it may be missing, say what to take instead, as in ("+f.Name+" ?? 0)")
			}
		}
	}
}

// fields lists the fields of the records of all loads, none where those of one are
// not known.
func (p *plan) fields(seed uint64) []string {
	var all []string
	for i := range p.loads {
		l := &p.loads[i]
		of := l.fields(seedFor(seed, l.name))
		if len(of) == 0 {
			return nil
		}
		all = append(all, of...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fields draws records as the load will and lists their fields.
func (l *loadPlan) fields(seed uint64) []string {
	if l.spec.Source.Config == nil {
		return nil // it did not decode
	}
	source, err := build(newRegistry().sources, l.spec.Source, sourceEnv{seed: seed, replay: builtinOnly})
	if err != nil {
		return nil
	}
	defer source.Close()
	seen := map[string]bool{}
	recs := make([]kload.Record, sampleBatch)
	n, _ := source.Next(context.Background(), recs) // what it cannot give is not known
	for i := range recs[:n] {
		if !jsonfield.Members(recs[i].Data, func(_, name []byte) { seen[string(name)] = true }) {
			return nil
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// builtinOnly opens recorded data that comes with kload, and no other where nothing
// is run.
func builtinOnly(c replay.Config, at *replay.Checkpoint) (kload.Source, error) {
	if name, _, local, err := c.LocalData(); local && err == nil {
		c.From = "builtin:" + name
	}
	if !strings.HasPrefix(c.From, "builtin:") {
		return unread(c, at)
	}
	return replay.Open(context.Background(), c, replay.Options{})
}
