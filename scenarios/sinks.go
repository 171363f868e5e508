package scenarios

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/results"
)

// openSinks opens the sink of a consumer, or the several that it routes to. Some of
// these may lose records, by consumer.sink.
func (c *consumerRun) openSinks(spec *Consumer, dir string, lose map[string]int) (err error) {
	reg := newRegistry()
	if spec.Sinks.Len() == 0 {
		c.sink, err = build(reg.sinks, spec.only(), sinkEnv{dir: dir, name: c.name})
		return err
	}
	router := consumers.NewRouter()
	for name, choice := range spec.Sinks.All() {
		full := c.name + "." + name
		s, err := build(reg.sinks, choice, sinkEnv{dir: dir, name: full})
		if err != nil {
			return errors.Join(fmt.Errorf("sink %s: %w", name, err), router.Close())
		}
		router.Add(name, lossy(s, lose[full]))
	}
	c.sink, c.router = router, router
	return nil
}

// lossy has a sink lose the first n records.
func lossy(s kload.Sink, n int) kload.Sink {
	if n == 0 {
		return s
	}
	return consumers.LoseWrites(s, n)
}

// only returns the one sink of a consumer that has not several.
func (c *Consumer) only() conf.Choice {
	if c.Sink.Kind == "" {
		return conf.Choice{Kind: "discard", Config: newRegistry().sinks["discard"].config()}
	}
	return c.Sink
}

// routed returns what each of several sinks was given and what it stored.
func (c *consumerRun) routed() map[string]results.SinkCounts {
	if c.router == nil {
		return nil
	}
	out := map[string]results.SinkCounts{}
	for _, s := range c.router.Routed() {
		out[s.Name] = results.SinkCounts{Routed: s.Given, Sunk: s.Written}
	}
	return out
}

// sinkCounters lists the counters of a consumer's sinks.
func (c *Consumer) sinkCounters() (names []string) {
	if c.Sinks.Len() == 0 {
		return counterNames(nil, c.Sink.Config)
	}
	for name, choice := range c.Sinks.All() {
		names = counterNames(append(names, results.SinkCounterNames(name)...), choice.Config)
	}
	return names
}

// sinks checks that records have a sink to go to, and that no two sinks are in each
// other's way.
func (v *validator) sinks() {
	files := map[string]string{}
	for name, c := range v.spec.Consumers.All() {
		path := "consumers." + name
		v.routes(path, &c)
		v.file(files, path+".sink", name, c.Sink)
		for sink, choice := range c.Sinks.All() {
			v.file(files, path+".sinks."+sink, name+"."+sink, choice)
		}
	}
}

// file checks that a sink has its file to itself.
func (v *validator) file(taken map[string]string, path, owner string, sink conf.Choice) {
	f, ok := sink.Config.(interface{ FileName(owner string) string })
	if !ok {
		return
	}
	name := f.FileName(owner)
	if other := taken[name]; other != "" {
		v.problem(path+"."+sink.Kind, fmt.Sprintf("%s writes the file %s, too", other, name), "give each a name of its own")
	}
	taken[name] = path
}

// routes checks that a consumer with several sinks routes records to them, to each of
// them, and to no others, as far as that can be known.
func (v *validator) routes(path string, c *Consumer) {
	host, ok := c.Host.Config.(interface {
		Names() ([]handler.Name, bool)
		Routes() bool
	})
	setting, sinks := path+".host."+c.Host.Kind+".route", c.Sinks.Names()
	switch {
	case !ok || !v.sound(path):
		return
	case len(sinks) > 0 && !host.Routes():
		v.problem(path+".sinks", "no record goes to them", fmt.Sprintf("set host: {%s: {route: EXPRESSION}}, which gives the name of one, or name a single sink", c.Host.Kind))
		return
	case len(sinks) == 0 && host.Routes():
		v.problem(setting, "there is nothing to choose from", "name sinks: {NAME: …, NAME: …} in place of sink")
		return
	}
	names, all := host.Names()
	used := map[string]bool{}
	for _, n := range names {
		used[n.Text] = true
		if _, known := c.Sinks.Get(n.Text); !known {
			v.problem(setting, fmt.Sprintf("column %d: no sink has the name %q", n.Column, n.Text)+conf.DidYouMean(n.Text, sinks), "there are: "+strings.Join(sinks, ", "))
		}
	}
	for _, name := range sinks {
		if all && !used[name] {
			v.problem(path+".sinks."+name, "the route never gives this name", "remove the sink, or route records to it")
		}
	}
}

// explainSinks says in one line which records go where, "" for a consumer with one
// sink.
func (c *Consumer) explainSinks() string {
	if c.Sinks.Len() == 0 {
		return ""
	}
	var to []string
	for name, choice := range c.Sinks.All() {
		to = append(to, name+" ("+choice.Kind+")")
	}
	return "each record goes to the sink that the route names: " + strings.Join(to, ", ")
}
