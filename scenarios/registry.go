package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints/dynamodb"
	leasefile "github.com/kload/kload/consumers/checkpoints/file"
	"github.com/kload/kload/consumers/checkpoints/memory"
	"github.com/kload/kload/consumers/handler"
	"github.com/kload/kload/consumers/hosts/kcl"
	"github.com/kload/kload/consumers/hosts/plain"
	"github.com/kload/kload/consumers/readers/fanout"
	"github.com/kload/kload/consumers/readers/polling"
	"github.com/kload/kload/consumers/sinks/discard"
	"github.com/kload/kload/consumers/sinks/file"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/hdr"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivers/a8m"
	"github.com/kload/kload/producer/drivers/putrecord"
	"github.com/kload/kload/producer/drivers/putrecords"
	"github.com/kload/kload/producer/generate/accesscard"
	"github.com/kload/kload/producer/generate/banktx"
	"github.com/kload/kload/producer/generate/opaque"
	"github.com/kload/kload/producer/generate/order"
	"github.com/kload/kload/producer/generate/report"
	"github.com/kload/kload/producer/generate/stock"
	"github.com/kload/kload/producer/generate/taxi"
	"github.com/kload/kload/producer/generate/template"
	"github.com/kload/kload/producer/generate/transaction"
	"github.com/kload/kload/replay"
)

// A plug-in is one folder and one line here.

// registry lists the plug-ins of every kind, by their names in scenario files.
type registry struct {
	sources   map[string]plugin[sourceEnv, kload.Source]
	keys      map[string]plugin[none, producer.KeyerConfig]
	ingresses map[string]plugin[ingressEnv, kload.Ingress]
	drivers   map[string]plugin[driverEnv, kload.Ingress]
	readers   map[string]plugin[readerEnv, kload.Opener]
	hosts     map[string]plugin[hostEnv, kload.Host]
	stores    map[string]plugin[dialing, kload.Store]
	sinks     map[string]plugin[sinkEnv, kload.Sink]
	actions   map[string]plugin[actionEnv, action]
}

func newRegistry() registry {
	return registry{
		sources: map[string]plugin[sourceEnv, kload.Source]{
			"generate": plug(newGenerator),
			"replay":   plug(func(c *replay.Config, e sourceEnv) (kload.Source, error) { return e.replay(*c, e.resume) }),
		},
		keys: map[string]plugin[none, producer.KeyerConfig]{
			"const":       plug(func(c *producer.ConstKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"uniform":     plug(func(c *producer.UniformKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"zipf":        plug(func(c *producer.ZipfKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"hotspot":     plug(func(c *producer.HotspotKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"sequential":  plug(func(c *producer.SequentialKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"template":    plug(func(c *producer.TemplateKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"pinned":      plug(func(c *producer.PinnedKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"field":       plug(func(c *producer.FieldKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"payload":     plug(func(c *producer.PayloadKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
			"random_hash": plug(func(c *producer.RandomHashKeys, _ none) (producer.KeyerConfig, error) { return c, nil }),
		},
		ingresses: map[string]plugin[ingressEnv, kload.Ingress]{
			"kinesis": plug(func(c *kinesisIngress, e ingressEnv) (kload.Ingress, error) {
				return build(newRegistry().drivers, c.Driver, driverEnv{e, &c.Config})
			}),
		},
		drivers: map[string]plugin[driverEnv, kload.Ingress]{
			"kpl": plug(func(_ *none, e driverEnv) (kload.Ingress, error) {
				return producer.New(e.ctx, producer.Options{
					API: e.api(), Stream: e.stream, MaxRecord: e.maxRecord, Config: *e.config, Clock: e.clock, Seed: e.seed, Outcomes: e.outcomes, Event: e.event,
				})
			}),
			"a8m": plug(func(c *a8m.Config, e driverEnv) (kload.Ingress, error) { return a8m.New(e.ctx, e.library(c)) }),
			"putrecords": plug(func(c *putrecords.Config, e driverEnv) (kload.Ingress, error) {
				return putrecords.New(e.ctx, *c, e.api(), e.stream, e.direct()), nil
			}),
			"putrecord": plug(func(_ *putrecord.Config, e driverEnv) (kload.Ingress, error) {
				return putrecord.New(e.ctx, e.api(), e.stream, e.direct()), nil
			}),
		},
		readers: map[string]plugin[readerEnv, kload.Opener]{
			"polling": plug(func(c *polling.Config, e readerEnv) (kload.Opener, error) {
				return polling.New(polling.Options{
					API: e.client.Apart(awsclient.Wire(c.Wire)), Stream: e.stream, Config: *c, Clock: e.clock, Fresh: e.fresh,
					ReadBytes: e.readBytes,
				}), nil
			}),
			"fanout": plug(func(c *fanout.Config, e readerEnv) (kload.Opener, error) {
				return fanout.New(fanout.Options{
					Client: e.client, Stream: e.stream, Config: *c, Clock: e.clock, Hops: e.hops, Name: e.name, Run: e.run, Until: e.until, Note: e.note, Fresh: e.fresh,
				}), nil
			}),
		},
		hosts: map[string]plugin[hostEnv, kload.Host]{
			"plain": plug(func(c *plain.Config, e hostEnv) (kload.Host, error) { return newPlain(c.Config, e) }),
			"kcl":   plug(func(c *kcl.Config, e hostEnv) (kload.Host, error) { return newKCL(c, e) }),
		},
		stores: map[string]plugin[dialing, kload.Store]{
			"memory":   plug(func(*none, dialing) (kload.Store, error) { return memory.New(), nil }),
			"file":     plug(func(c *leasefile.Config, e dialing) (kload.Store, error) { return leasefile.Open(e.ctx, *c) }),
			"dynamodb": plug(func(c *dynamodb.Config, e dialing) (kload.Store, error) { return dynamodb.Open(e.ctx, *c, e.how) }),
		},
		sinks: map[string]plugin[sinkEnv, kload.Sink]{
			"discard": plug(func(*discard.Config, sinkEnv) (kload.Sink, error) { return discard.New(), nil }),
			"file":    plug(func(c *file.Config, e sinkEnv) (kload.Sink, error) { return file.New(e.dir, c.FileName(e.name)) }),
		},
		actions: map[string]plugin[actionEnv, action]{
			"fault":              plug(newFault),
			"split":              plug(newSplit),
			"merge":              plug(newMerge),
			"update_shard_count": plug(newCount),
			"pause_consumer":     plug(newPause),
			"kill_member":        plug(newKill),
		},
	}
}

// generators chooses one generator: {generate: {stock: {}}}. A generator is one
// folder, one field here and one line below.
type generators struct {
	Stock       *stock.Config       `yaml:"stock" help:"stock ticks, about 80 bytes of JSON"`
	Taxi        *taxi.Config        `yaml:"taxi" help:"taxi trips like those of the NYC data set, ids from 0, about 440 bytes of JSON"`
	Order       *order.Config       `yaml:"order" help:"coffee orders, about 216 bytes of nested JSON"`
	Transaction *transaction.Config `yaml:"transaction" help:"bank transactions of made-up people, about 265 bytes of JSON"`
	Report      *report.Config      `yaml:"report" help:"37 fixed rows of a sales report, 401 bytes of JSON each, with known sums"`
	AccessCard  *accesscard.Config  `yaml:"access_card" help:"links of employees to access cards, about 300 bytes of JSON"`
	BankTx      *banktx.Config      `yaml:"bank_tx" help:"eight types of events on bank accounts, about 212 bytes of JSON"`
	Template    *template.Config    `yaml:"template" help:"a text of your own with placeholders"`
	Opaque      *opaque.Config      `yaml:"opaque" help:"random bytes of a set size"`
}

func (g *generators) options() []generator {
	return []generator{
		offer(g.Stock, sure(stock.New)),
		offer(g.Taxi, sure(taxi.New)),
		offer(g.Order, sure(order.New)),
		offer(g.Transaction, sure(transaction.New)),
		offer(g.Report, sure(report.New)),
		offer(g.AccessCard, sure(accesscard.New)),
		offer(g.BankTx, sure(banktx.New)),
		offer(g.Template, template.New),
		offer(g.Opaque, opaque.New),
	}
}

// generator is a configured generator, or nothing.
type generator struct {
	config any // nil for nothing
	build  func(seed uint64) (kload.Source, error)
}

func offer[C any](c *C, build func(*C, uint64) (kload.Source, error)) generator {
	if c == nil {
		return generator{}
	}
	return generator{c, func(seed uint64) (kload.Source, error) { return build(c, seed) }}
}

// sure adapts a generator that cannot fail.
func sure[C any](build func(*C, uint64) kload.Source) func(*C, uint64) (kload.Source, error) {
	return func(c *C, seed uint64) (kload.Source, error) { return build(c, seed), nil }
}

// chosen returns the one that is configured, and how many are.
func (g *generators) chosen() (one generator, n int) {
	for _, o := range g.options() {
		if o.config != nil {
			one = o
			n++
		}
	}
	return one, n
}

// Validate checks that exactly one is chosen.
func (g *generators) Validate() []conf.Issue {
	if _, n := g.chosen(); n != 1 {
		return []conf.Issue{{Msg: "choose exactly one generator", Hint: "write generate: {stock: {}} or generate: {opaque: {size: 250B}}"}}
	}
	return nil
}

func newGenerator(g *generators, e sourceEnv) (kload.Source, error) {
	one, _ := g.chosen()
	return one.build(e.seed)
}

// What plug-ins are given beside their configuration.
type (
	none      struct{}
	sourceEnv struct {
		seed   uint64
		replay func(replay.Config, *replay.Checkpoint) (kload.Source, error)
		resume *replay.Checkpoint // nil: from the start
	}

	// dialing is what it takes to make a client of a service.
	dialing struct {
		ctx context.Context   //nolint:containedctx // only carried into the constructor it is built for
		how awsclient.Options // that the run's own client was made with
	}
	ingressEnv struct {
		dialing
		client    *awsclient.Client
		stream    string
		maxRecord int // bytes that it takes at most
		clock     *pace.Clock
		seed      uint64
		outcomes  kload.OutcomeFunc
		event     func(kind string, details map[string]any)
	}
	readerEnv struct {
		client *awsclient.Client
		stream string
		clock  *pace.Clock
		hops   *hdr.Set
		// name and run name what the reader makes at the target. The name is the
		// consumer's in all runs, run is that of this one, which is over until then.
		name, run string
		until     time.Time
		note      func(format string, args ...any)
		fresh     bool
		// readBytes is what pollers get of a shard in a second, 0 for no limit.
		readBytes float64
	}
	hostEnv struct {
		sink   kload.Sink
		ledger *ledger.Consumer
		hops   *hdr.Set
		clock  *pace.Clock
		phase  func(t0 int64) int // see consumers.TapOptions
		// handler makes what a host's configuration describes, nil for nothing.
		handler func(handler.Config) (kload.Handler, error)
		// For hosts that share the work with others.
		dialing
		name  string // nobody else uses it
		fresh bool   // this run created the stream
		event func(kind string, details map[string]any)
	}
	sinkEnv struct{ dir, name string } // name is the consumer's, with that of the sink behind it where there are several
)

// plugin makes a configuration and builds what it describes.
type plugin[E, T any] struct {
	config func() any
	build  func(config any, env E) (T, error)
}

func plug[C, E, T any](build func(*C, E) (T, error)) plugin[E, T] {
	return plugin[E, T]{
		config: func() any { return new(C) },
		build:  func(config any, env E) (T, error) { return build(config.(*C), env) },
	}
}

// build makes the plug-in that a choice names.
func build[E, T any](plugins map[string]plugin[E, T], c conf.Choice, env E) (T, error) {
	var zero T
	p, ok := plugins[c.Kind]
	if !ok {
		return zero, fmt.Errorf("%w: no plug-in %q", kload.ErrInvalid, c.Kind)
	}
	v, err := p.build(c.Config, env)
	if err != nil {
		return zero, err // v may be a nil pointer inside an interface
	}
	return v, nil
}

// kinds is the registry in the form the decoder wants.
func (r registry) kinds() conf.Kinds {
	return conf.Kinds{
		"source": configs(r.sources), "keys": configs(r.keys), "ingress": configs(r.ingresses), "driver": configs(r.drivers),
		"reader": configs(r.readers), "host": configs(r.hosts), "store": configs(r.stores), "sink": configs(r.sinks),
		"action": configs(r.actions),
	}
}

func configs[E, T any](plugins map[string]plugin[E, T]) map[string]func() any {
	m := make(map[string]func() any, len(plugins))
	for name, p := range plugins {
		m[name] = p.config
	}
	return m
}
