package producer_test

import (
	"testing"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/producer/drivertest"
)

func TestConformance(t *testing.T) {
	for name, tweak := range map[string]func(*producer.Config){
		"aggregated":     func(*producer.Config) {},
		"plain":          func(c *producer.Config) { c.Aggregation.Enabled = false },
		"one connection": func(c *producer.Config) { c.Connections = 1 },
		"small requests": func(c *producer.Config) { c.Collection.MaxRecords, c.Aggregation.MaxCount = 2, 7 },
	} {
		t.Run(name, func(t *testing.T) {
			drivertest.Run(t, func(t *testing.T, e drivertest.Env) kload.Ingress {
				cfg := producer.DefaultConfig()
				cfg.Memory, cfg.TTL, cfg.RequestTimeout, cfg.Ordered = units.Bytes(e.Memory), e.TTL, e.Timeout, e.Ordered
				cfg.Aggregation.Linger = e.Linger
				tweak(&cfg)
				p, err := producer.New(t.Context(), producer.Options{
					API: e.Kinesis, Stream: e.Stream, Config: cfg, Clock: e.Clock, Seed: 1, Outcomes: e.Outcomes,
				})
				if err != nil {
					t.Fatal(err)
				}
				return p
			})
		})
	}
}
