package consumers

import "github.com/kload/kload"

// Unpack does with a batch what a worker does before it calls the host.
func (c *Consumer) Unpack(b *kload.Batch) {
	w := c.workers[0]
	w.deagg.fill(b)
	w.tap.see(b)
}
