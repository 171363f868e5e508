package kinesis

import (
	"strconv"

	"github.com/kload/kload/internal/units"
)

// String says in words what is enforced for each shard.
func (l Limits) String() string {
	out := "off"
	if !l.Off {
		number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
		out = "write " + units.ByteRate(l.WriteBytes).String() + " and " + number(l.WriteRecords) + " records/s, read " +
			units.ByteRate(l.ReadBytes).String() + " and " + number(l.ReadCalls) + " calls/s per shard, " +
			units.ByteRate(l.ConsumerBytes).String() + " per registered consumer and shard"
	}
	if l.Control {
		out += "; control plane at the service's rates"
	}
	return out
}
