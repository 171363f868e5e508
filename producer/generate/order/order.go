// Package order generates coffee orders as an order API puts them into a stream:
// one nested JSON document per order, with prices as strings, under one constant
// key (total order on one shard) or under the account.
package order

import (
	"math/rand/v2"
	"strconv"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/render"
)

// Config configures the generator.
type Config struct {
	Accounts int    `yaml:"accounts" default:"1000" help:"number of distinct accounts, a0 and following"`
	Key      string `yaml:"key" default:"const" enum:"const|account" help:"partition key: \"1\" for all orders, or the account"`
}

// RecordBytes returns the usual size of a record.
func (*Config) RecordBytes() int { return 216 }

// ByKey reports that the partition key decides the shard.
func (*Config) ByKey() bool { return true }

// New returns the source. Accounts come in turn.
func New(c *Config, seed uint64) kload.Source {
	return render.New(render.Options{Variants: min(max(c.Accounts, 1), 1<<16), Seed: seed, InOrder: true}, c.order)
}

func (c *Config) order(d *render.Doc, n int, r *rand.Rand) {
	size := r.IntN(4)
	quantity := 1 + r.Int64N(10)
	account := "a" + strconv.Itoa(n)
	d.Raw(`{"order":{"accountid":"` + account + `","vendorid":"v`).Int(int64(n)).Raw(`","orderdate":"`).Micros(0)
	d.Raw(`","city":"` + cities()[r.IntN(11)] + `","details":{"coffeetype":"` + types()[r.IntN(4)])
	d.Raw(`","coffeesize":"` + sizes()[size].name + `","unitprice":"` + sizes()[size].price + `","quantity":"`).Int(quantity).Raw(`"}}}`)
	if c.Key == "account" {
		d.SetKey(account)
	} else {
		d.SetKey("1")
	}
}

func cities() [11]string {
	return [11]string{"Sydney", "Melbourne", "Brisbane", "Perth", "Adelaide", "Hobart", "Darwin", "Canberra", "Newcastle", "Cairns", "Geelong"}
}

func types() [4]string { return [4]string{"Short Black", "Flat White", "Long Black", "Cappuccino"} }

func sizes() [4]struct{ name, price string } {
	return [4]struct{ name, price string }{{"Small", "3.5"}, {"Medium", "4.0"}, {"Large", "4.5"}, {"x-Large", "5.0"}}
}
