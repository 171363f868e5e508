// Package taxi generates taxi trips shaped like the NYC data set that the
// replayer streams, with trip_id rising from 0, so that generated and replayed
// load can feed the same consumers. The drop-off is the intended time.
package taxi

import (
	"math/rand/v2"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/render"
)

// Config configures the generator.
type Config struct {
	FirstID uint64 `yaml:"first_id" help:"trip_id of the first trip"`
}

// RecordBytes returns the usual size of a record.
func (*Config) RecordBytes() int { return 440 }

// ByKey reports that the partition key, the trip's id, decides the shard.
func (*Config) ByKey() bool { return true }

// variants is how many different trips there are but for ids and times.
const variants = 1024

// New returns the source.
func New(c *Config, seed uint64) kload.Source {
	return render.New(render.Options{Variants: variants, Seed: seed}, c.trip)
}

// trip renders one trip: its duration decides distance and fare, as at the rates
// of a New York meter.
func (c *Config) trip(d *render.Doc, _ int, r *rand.Rand) {
	seconds := 120 + int64(r.ExpFloat64()*700)
	tenths := max(3, seconds*(20+r.Int64N(40))/600) // of a mile
	fare := 300 + tenths*25 + seconds/6
	fare -= fare % 10
	tip := int64(0)
	payment := "2"
	if r.IntN(4) > 0 {
		payment, tip = "1", fare*(15+r.Int64N(11))/100
	}
	d.Raw(`{"vendor_id":"`).Int(1 + r.Int64N(2)).Raw(`","pickup_datetime":"`).ISO(-seconds * int64(time.Second))
	d.Raw(`","dropoff_datetime":"`).ISO(0).Raw(`","passenger_count":`).Int(1 + int64(r.ExpFloat64())%6)
	d.Raw(`,"trip_distance":`).Cents(tenths * 10).Raw(`,"rate_code":1,"store_and_fwd_flag":"N","pickup_location_id":`).Int(1 + r.Int64N(263))
	d.Raw(`,"dropoff_location_id":`).Int(1 + r.Int64N(263)).Raw(`,"payment_type":"` + payment + `","fare_amount":`).Cents(fare)
	d.Raw(`,"surcharge":1.00,"mta_tax":0.50,"tip_amount":`).Cents(tip).Raw(`,"tolls_amount":0.00,"improvement_surcharge":1.00,"total_amount":`).Cents(fare + tip + 250)
	d.Raw(`,"cab_type":"yellow","trip_id":`).Seq(int64(c.FirstID)).Raw(`,"type":"trip"}`)
	d.KeyBySeq()
}
