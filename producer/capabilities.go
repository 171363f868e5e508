package producer

import "time"

// Capabilities says what a driver can do, so that a scenario that asks for more
// is refused before it runs instead of measuring something else.
type Capabilities struct {
	// Tags: it carries the trace beside the payload, in an aggregate.
	Tags bool
	// HashKeys: it honours explicit hash keys.
	HashKeys bool
	// MaxRecord is the largest record in bytes, 0 for what the stream takes.
	MaxRecord int
	// Packing is how it makes stream records of user records.
	Packing Packing
	// Settings lists the settings of the kinesis ingress that it follows, beside
	// key, wire and memory; nil stands for all. One that does not follow ordered
	// promises no order.
	Settings []string
}

// Packing is how user records are packed into stream records. The zero value
// stands for one in each.
type Packing struct {
	Bytes  int           // of a full aggregate, 0 for no aggregation
	Linger time.Duration // after which one that is not full is sent all the same
}

// Capabilities says what the producer can do as it is configured.
func (c *Config) Capabilities() Capabilities {
	can := Capabilities{HashKeys: true}
	if a := c.Aggregation; a.Enabled {
		can.Tags, can.Packing = true, Packing{Bytes: int(a.MaxBytes), Linger: a.Linger}
	}
	return can
}
