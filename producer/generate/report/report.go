// Package report generates the rows of a seller's daily sales report: 37 fixed
// rows of 401 bytes, again and again in the same order, so that a query over
// what was delivered has a known answer: 37 different asin, one seller, 591 page
// views and 37 units for each full round.
package report

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/render"
)

// Rows is how many different rows there are, RowBytes the size of each.
const (
	Rows     = 37
	RowBytes = 401
)

// Config configures the generator.
type Config struct {
	Key string `yaml:"key" default:"asin" enum:"const|asin" help:"partition key: \"asin\" for all, which makes one hot shard, or the row's asin"`
}

// RecordBytes returns the size of a record.
func (*Config) RecordBytes() int { return RowBytes }

// ByKey reports that the partition key decides the shard.
func (*Config) ByKey() bool { return true }

// New returns the source. The seed has no effect: the rows are fixed.
func New(c *Config, _ uint64) kload.Source {
	return render.New(render.Options{Variants: Rows, InOrder: true}, c.row)
}

// row renders row n. Page views run 15, 16, 17, but for the last row, which makes
// the sum 591.
func (c *Config) row(d *render.Doc, n int, _ *rand.Rand) {
	asin := fmt.Sprintf("B0%08d", 10_000_019*n%100_000_000)
	views := int64(15 + n%3)
	if n == Rows-1 {
		views = 15
	}
	price := int64(999 + 250*(n%8))
	front := fmt.Sprintf(`{"asin":%q,"report_date":"2023-05-08","marketplace":"US","user_id":"`, asin)
	back := fmt.Sprintf(`","page_views":%d,"units_ordered":1,"ordered_product_sales":%d.%02d,"sales_currency":"USD",`+
		`"order_item_session_percentage":%d.%02d,"sales_rank":%d,"reviews_received":%d,"buy_box_`+"pre"+`centage":100.00,`+
		`"units_ordered_b2b":0,"ordered_product_sales_b2b":0.00,"seller_central_id":"A1KLOADSELLER"}`,
		views, price/100, price%100, 100/views, 100*(100%views)/views, 1000+37*n, n%5)
	// The user's id takes what is left of the row's fixed size.
	d.Raw(front).Raw(strings.Repeat("u", RowBytes-len(front)-len(back))).Raw(back)
	if c.Key == "const" {
		asin = "asin"
	}
	d.SetKey(asin)
}
