package scenarios

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/readers/fanout"
	"github.com/kload/kload/internal/conf"
	"github.com/kload/kload/internal/units"
)

// Budget bounds what a run on AWS may cost. It is checked against an estimate
// before anything is created or sent.
type Budget struct {
	MaxCost units.USD `yaml:"max_cost" help:"refuse to run on AWS above this estimate, such as 1.50 USD; no bound if absent"`
	Prices  string    `yaml:"prices" help:"JSON file with prices, in place of the built-in ones for us-east-1"`
}

//go:embed prices/us-east-1.json
var builtinPrices []byte

// prices are those of a provisioned stream, in USD.
type prices struct {
	Schema          string  `json:"schema"`
	Region          string  `json:"region"`
	Date            string  `json:"date"`
	Source          string  `json:"source"`
	Currency        string  `json:"currency"`
	ShardHour       float64 `json:"shard_hour"`
	PutUnitsMillion float64 `json:"put_units_million"`
	PutUnitBytes    float64 `json:"put_unit_bytes"`
	// Of registered consumers; 0 where a file says nothing of them.
	ConsumerShardHour float64 `json:"consumer_shard_hour"`
	ConsumerGB        float64 `json:"consumer_gb"`
}

// unset stands for prices that a file leaves out: none is free by oversight.
const unset = -1

// loadPrices reads a price file; an empty name stands for the built-in one.
func loadPrices(name string) (prices, error) {
	text, err := builtinPrices, error(nil)
	if name != "" {
		if text, err = os.ReadFile(name); err != nil {
			return prices{}, fmt.Errorf("reading prices: %w", err)
		}
	}
	p := prices{Currency: "USD", ShardHour: unset, PutUnitsMillion: unset}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return prices{}, fmt.Errorf("reading prices from %s: %w", name, err)
	}
	switch {
	case p.Date == "" || p.ShardHour == unset || p.PutUnitsMillion == unset || p.PutUnitBytes == 0:
		err = fmt.Errorf("%w: prices from %s: date, shard_hour, put_units_million and put_unit_bytes are needed", kload.ErrInvalid, name)
	case min(p.ShardHour, p.PutUnitsMillion, p.ConsumerShardHour, p.ConsumerGB) < 0 || p.PutUnitBytes < 1:
		err = fmt.Errorf("%w: prices from %s: no price is below 0, and no unit below one byte", kload.ErrInvalid, name)
	case p.Currency != "USD":
		err = fmt.Errorf("%w: prices from %s: they are in %s, and max_cost in USD", kload.ErrInvalid, name, p.Currency)
	}
	return p, err
}

// Validate checks that prices can be read.
func (b *Budget) Validate() []conf.Issue {
	if _, err := loadPrices(b.Prices); err != nil {
		return []conf.Issue{{Field: "prices", Msg: err.Error(), Hint: `write them as in {"region": "us-east-1", "date": "2026-10-01", "shard_hour": 0.015, ` +
			`"put_units_million": 0.014, "put_unit_bytes": 25600, "consumer_shard_hour": 0.015, "consumer_gb": 0.013}`}}
	}
	return nil
}

// cost is an estimate of what a run on AWS costs.
type cost struct {
	USD        float64 `json:"usd"`
	ShardHours float64 `json:"shard_hours"` // of a stream that the run creates
	PutUnits   float64 `json:"put_units"`
	// Of enhanced fan-out: hours of registered consumers on shards, and what is
	// pushed to them.
	ConsumerShardHours float64 `json:"consumer_shard_hours,omitempty"`
	ConsumerGB         float64 `json:"consumer_gb,omitempty"`

	Prices  string `json:"prices"` // region and date
	Unknown bool   `json:"unknown,omitempty"`
}

// estimate works out the cost of a run: PUT payload units for each stream record,
// rounded up to a unit, the hours of the shards it creates, rounded up to an
// hour, and those of consumers with enhanced fan-out and what they read. Loads
// whose length is not known beforehand make it a lower bound, and so does fan-out
// from somebody's stream, which may have more shards than the scenario says.
func (p *plan) estimate() (cost, error) {
	prices, err := loadPrices(p.spec.Budget.Prices)
	if err != nil {
		return cost{}, err
	}
	c := cost{Prices: prices.Region + " of " + prices.Date}
	span, pushed := phaseSpan(p.spec.Phases), 0.0
	for i := range p.loads {
		l := &p.loads[i]
		if l.schedule == nil {
			c.Unknown = true
			continue
		}
		span = max(span, time.Duration(l.schedule.Span()))
		c.PutUnits += l.putUnits(p.forecast, prices.PutUnitBytes)
		pushed += float64(l.schedule.Total()) * mean(l.sizes)
	}
	shardHours := float64(p.spec.Stream.Shards) * math.Ceil((span + p.spec.DrainTimeout).Hours())
	if p.spec.Stream.Create && !p.resumes {
		c.ShardHours = shardHours
	}
	for _, consumer := range p.spec.Consumers.All() {
		if _, registered := consumer.Read.Config.(*fanout.Config); registered {
			c.ConsumerShardHours += shardHours
			c.ConsumerGB += pushed / (1 << 30)
			c.Unknown = c.Unknown || !p.spec.Stream.Create
		}
	}
	c.USD = c.ShardHours*prices.ShardHour + c.PutUnits/1e6*prices.PutUnitsMillion +
		c.ConsumerShardHours*prices.ConsumerShardHour + c.ConsumerGB*prices.ConsumerGB
	return c, nil
}

// putUnits returns the PUT payload units of a whole load, by the sizes of its
// sample. Where the shards are not known, each record may be sealed by lingering.
func (l *loadPlan) putUnits(f *forecast, unit float64) float64 {
	records := float64(l.schedule.Total())
	if pack := l.can.Packing; pack.Bytes > 0 {
		// Full aggregates, and one sealed by lingering per shard and linger time.
		full, lingering := records*mean(l.sizes)/float64(pack.Bytes), records
		if f != nil {
			lingering = min(records, float64(len(f.Shards))*float64(l.schedule.Span())/math.Max(float64(pack.Linger), 1))
		}
		return full*math.Ceil(float64(pack.Bytes)/unit) + lingering
	}
	if len(l.sizes) == 0 {
		return records
	}
	each := 0.0
	for _, size := range l.sizes {
		each += math.Ceil(size / unit)
	}
	return records * each / float64(len(l.sizes))
}

// String says the estimate in one line.
func (c *cost) String() string {
	about := "about"
	if c.Unknown {
		about = "at least"
	}
	pushed := ""
	if c.ConsumerShardHours > 0 {
		pushed = fmt.Sprintf(", %s consumer shard hours and %.3g GB of enhanced fan-out", units.Thousands(uint64(c.ConsumerShardHours)), c.ConsumerGB)
	}
	return fmt.Sprintf("%s %.2f USD on AWS: %s shard hours, %s PUT payload units%s at prices for %s",
		about, c.USD, units.Thousands(uint64(c.ShardHours)), units.Thousands(uint64(math.Ceil(c.PutUnits))), pushed, c.Prices)
}

// add counts another run in.
func (c *cost) add(o *cost) {
	c.USD += o.USD
	c.ShardHours += o.ShardHours
	c.PutUnits += o.PutUnits
	c.ConsumerShardHours += o.ConsumerShardHours
	c.ConsumerGB += o.ConsumerGB
	c.Prices, c.Unknown = o.Prices, c.Unknown || o.Unknown
}

// affordable refuses runs on AWS whose estimates come to more than the budget of
// any of them.
func affordable(runs ...*plan) error {
	var all cost
	most := math.Inf(1)
	for _, p := range runs {
		if budget := float64(p.spec.Budget.MaxCost); p.spec.Target.Kind == "aws" && budget > 0 {
			most = min(most, budget)
		}
	}
	if math.IsInf(most, 1) {
		return nil
	}
	for _, p := range runs {
		c, err := p.estimate()
		if err != nil {
			return err
		}
		all.add(&c)
	}
	if all.USD <= most && !all.Unknown {
		return nil
	}
	what := "the run"
	if len(runs) > 1 {
		what = fmt.Sprintf("%d runs", len(runs))
	}
	why := fmt.Sprintf("%s would cost %s, more than the budget of %s", what, &all, units.USD(most))
	if all.Unknown && all.USD <= most {
		why = "the cost of a load without a known length cannot be held against budget.max_cost"
	}
	return kload.WithHint(fmt.Errorf("%w: %s", kload.ErrInvalid, why), "shorten the run, or raise or remove budget.max_cost")
}
