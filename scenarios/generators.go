package scenarios

import (
	"github.com/kload/kload"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/producer/generate/accesscard"
	"github.com/kload/kload/producer/generate/banktx"
	"github.com/kload/kload/producer/generate/opaque"
	"github.com/kload/kload/producer/generate/order"
	"github.com/kload/kload/producer/generate/report"
	"github.com/kload/kload/producer/generate/stock"
	"github.com/kload/kload/producer/generate/taxi"
	"github.com/kload/kload/producer/generate/template"
	"github.com/kload/kload/producer/generate/transaction"
)

// generators chooses one generator: {generate: {stock: {}}}. A generator is one
// folder, one field here and one line in options.
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
