package consumers

import (
	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

// Unpack does with a batch what a worker does before it calls the host.
func (c *Consumer) Unpack(b *kload.Batch) { c.UnpackIn(b, nil) }

// UnpackIn is Unpack for a batch of a shard that owns the given range.
func (c *Consumer) UnpackIn(b *kload.Batch, owned *shard.Range) {
	w := c.workers[0]
	w.deagg.fill(b, owned)
	w.tap.see(b)
}

// Deaggregator unpacks batches.
type Deaggregator struct{ d *deaggregator }

// NewDeaggregator returns a deaggregator that treats strays in the given way.
func NewDeaggregator(strays Range, plainByKey bool) Deaggregator {
	return Deaggregator{newDeaggregator(strays, plainByKey)}
}

// Fill sets the batch's user records.
func (d Deaggregator) Fill(b *kload.Batch, owned *shard.Range) { d.d.fill(b, owned) }

// Counts returns what was counted so far.
func (d Deaggregator) Counts() Deaggregation { return d.d.counts }
