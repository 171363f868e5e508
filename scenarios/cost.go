package scenarios

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/kload/kload"
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

// prices are those of a provisioned stream.
type prices struct {
	Region          string  `json:"region"`
	Date            string  `json:"date"`
	ShardHour       float64 `json:"shard_hour"`
	PutUnitsMillion float64 `json:"put_units_million"`
	PutUnitBytes    float64 `json:"put_unit_bytes"`
}

// loadPrices reads a price file; an empty name stands for the built-in one.
func loadPrices(name string) (p prices, err error) {
	text := builtinPrices
	if name != "" {
		if text, err = os.ReadFile(name); err != nil {
			return p, fmt.Errorf("reading prices: %w", err)
		}
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("reading prices from %s: %w", name, err)
	}
	if !(p.ShardHour >= 0 && p.PutUnitsMillion >= 0 && p.PutUnitBytes >= 1) || p.Date == "" {
		return p, fmt.Errorf("%w: prices from %s: date, shard_hour, put_units_million and put_unit_bytes are needed", kload.ErrInvalid, name)
	}
	return p, nil
}

// Validate checks that prices can be read.
func (b *Budget) Validate() []conf.Issue {
	if _, err := loadPrices(b.Prices); err != nil {
		return []conf.Issue{{Field: "prices", Msg: err.Error(), Hint: "the built-in file shows the format: kload explain --target aws names its date"}}
	}
	return nil
}

// cost is an estimate of what a run on AWS costs.
type cost struct {
	USD        float64 `json:"usd"`
	ShardHours float64 `json:"shard_hours"` // of a stream that the run creates
	PutUnits   float64 `json:"put_units"`
	Prices     string  `json:"prices"` // region and date
	Unknown    bool    `json:"unknown,omitempty"`
}

// estimate works out the cost of a run: PUT payload units for each stream record,
// rounded up to a unit, and the hours of the shards it creates, rounded up to an
// hour. Loads whose length is not known beforehand make it a lower bound.
func (p *plan) estimate() (cost, error) {
	prices, err := loadPrices(p.spec.Budget.Prices)
	if err != nil {
		return cost{}, err
	}
	c := cost{Prices: prices.Region + " of " + prices.Date}
	span := phaseSpan(p.spec.Phases)
	for i := range p.loads {
		l := &p.loads[i]
		if l.schedule == nil || l.kinesis == nil {
			c.Unknown = true
			continue
		}
		span = max(span, time.Duration(l.schedule.Span()))
		c.PutUnits += l.putUnits(p.forecast, prices.PutUnitBytes)
	}
	if p.spec.Stream.Create && !p.resumes {
		c.ShardHours = float64(p.spec.Stream.Shards) * math.Ceil((span + p.spec.DrainTimeout).Hours())
	}
	c.USD = c.ShardHours*prices.ShardHour + c.PutUnits/1e6*prices.PutUnitsMillion
	return c, nil
}

// putUnits returns the PUT payload units of a whole load. Without a forecast a
// record counts as one unit.
func (l *loadPlan) putUnits(f *forecast, unit float64) float64 {
	records := float64(l.schedule.Total())
	if f == nil || l.meanBytes == 0 {
		return records
	}
	if a := l.kinesis.Aggregation; a.Enabled {
		// Full aggregates, and one sealed by lingering per shard and linger time.
		full := records * l.meanBytes / float64(a.MaxBytes)
		lingering := float64(len(f.Shards)) * float64(l.schedule.Span()) / math.Max(float64(a.Linger), 1)
		return full*math.Ceil(float64(a.MaxBytes)/unit) + min(records, lingering)
	}
	return records * math.Ceil(l.meanBytes/unit)
}

// String says the estimate in one line.
func (c *cost) String() string {
	about := "about"
	if c.Unknown {
		about = "at least"
	}
	return fmt.Sprintf("%s %.2f USD on AWS: %s shard hours, %s PUT payload units at prices for %s",
		about, c.USD, units.Thousands(uint64(c.ShardHours)), units.Thousands(uint64(math.Ceil(c.PutUnits))), c.Prices)
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
		all = cost{all.USD + c.USD, all.ShardHours + c.ShardHours, all.PutUnits + c.PutUnits, c.Prices, all.Unknown || c.Unknown}
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
