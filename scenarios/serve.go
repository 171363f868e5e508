package scenarios

import (
	"github.com/kload/kload/internal/conf"
	localkinesis "github.com/kload/kload/internal/local/kinesis"
)

// ParseLimits reads the limits of an embedded target as target.limits of a
// scenario has them: off, service (or on), or a map such as {write_bytes:
// 2MiB/s}. The problems found wrap kload.ErrInvalid and name origin as their
// place.
func ParseLimits(origin, text string) (localkinesis.Limits, error) {
	if text == "on" {
		text = "service"
	}
	var settings struct {
		Limits Limits `yaml:"limits" help:"limits per shard"`
	}
	doc, err := conf.Parse(origin, []byte("limits: "+text+"\n"))
	if err == nil {
		err = doc.Decode(&settings, nil)
	}
	if err != nil {
		return localkinesis.Limits{}, err
	}
	return settings.Limits.kinesis(), nil
}

// kinesis returns the limits as the target takes them.
func (l Limits) kinesis() localkinesis.Limits {
	return localkinesis.Limits{
		Off: l.Off, WriteBytes: float64(l.WriteBytes), WriteRecords: l.WriteRecords.PerSecond(),
		ReadBytes: float64(l.ReadBytes), ReadCalls: l.ReadCalls.PerSecond(),
	}
}
