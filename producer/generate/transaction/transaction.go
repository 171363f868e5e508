// Package transaction generates bank transactions of made-up people: a flat JSON
// document of about 265 bytes with a UUID of its own, as data-lake tutorials put
// them into a stream.
package transaction

import (
	"math/rand/v2"

	"github.com/brianvoe/gofakeit/v7"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/render"
)

// Config configures the generator.
type Config struct {
	Key string `yaml:"key" default:"bank" enum:"const|bank" help:"partition key: \"abc\" for all, which makes one hot shard, or the bank"`
}

// RecordBytes returns the usual size of a record.
func (*Config) RecordBytes() int { return 265 }

// ByKey reports that the partition key decides the shard.
func (*Config) ByKey() bool { return true }

const (
	variants = 1024
	banks    = 10
)

// New returns the source.
func New(c *Config, seed uint64) kload.Source {
	faker := gofakeit.NewFaker(rand.NewPCG(seed, 0x7472616e73), false)
	ids := make([]string, banks)
	for i := range ids {
		ids[i] = faker.UUID()
	}
	return render.New(render.Options{Variants: variants, Seed: seed}, func(d *render.Doc, _ int, r *rand.Rand) {
		bank := ids[r.IntN(banks)]
		at := faker.Address()
		d.Raw(`{"transactionId":"`).UUID().Raw(`","name":`).Text(faker.Name()).Raw(`,"age":`).Int(18 + r.Int64N(68))
		d.Raw(`,"address":`).Text(at.Street).Raw(`,"city":`).Text(at.City).Raw(`,"state":`).Text(at.State)
		d.Raw(`,"transaction":`).Int(1000 + r.Int64N(9001)).Raw(`,"bankId":"` + bank + `","createdAt":"`).ISO(0).Raw(`"}`)
		if c.Key == "const" {
			bank = "abc"
		}
		d.SetKey(bank)
	})
}
