// Package stock generates stock ticks as the AWS streaming-data solution's KPL
// sample producer does: {"event_time","ticker","price"} with a ticker out of
// five and a price uniform in [0, 100), under one constant partition key and
// random explicit hash keys, so that records spread evenly over the shards.
package stock

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/kload/kload"
)

// Config configures the generator. It has no settings yet.
type Config struct{}

// RecordBytes returns the usual size of a record.
func (*Config) RecordBytes() int { return 70 }

// ByKey reports that explicit hash keys decide the shards.
func (*Config) ByKey() bool { return false }

// New returns the source. Records are determined by the seed and their
// intended times.
func New(_ *Config, seed uint64) kload.Source {
	return &source{rand: rand.New(rand.NewPCG(seed, 0x73746f636b)), key: []byte("stock")}
}

// maxRecord bounds a record: the fixed text, a 23-character time, a 4-character
// ticker and a price of at most 5 characters.
const maxRecord = 96

type source struct {
	rand  *rand.Rand
	key   []byte
	arena []byte
	// The text of the last whole second: consecutive records share it.
	second     int64
	secondText [len(secondLayout)]byte
}

const secondLayout = "2006-01-02 15:04:05"

func tickers() [5]string { return [5]string{"AAPL", "AMZN", "MSFT", "INTC", "TBV"} }

// Next renders one record per element of dst, with its intended time.
func (s *source) Next(_ context.Context, dst []kload.Record) (int, error) {
	if need := len(dst) * maxRecord; cap(s.arena) < need {
		s.arena = make([]byte, 0, need)
	}
	s.arena = s.arena[:0]
	names := tickers()
	for i := range dst {
		from := len(s.arena)
		r := s.rand.Uint64()
		s.arena = append(s.arena, `{"event_time":"`...)
		s.appendTime(dst[i].Intended)
		s.arena = append(s.arena, `","ticker":"`...)
		s.arena = append(s.arena, names[r%5]...)
		s.arena = append(s.arena, `","price":`...)
		s.appendPrice((r >> 8) % 10_000)
		s.arena = append(s.arena, '}')
		dst[i].Data = s.arena[from:len(s.arena):len(s.arena)]
		dst[i].Key = s.key
		dst[i].Hash = kload.HashKey{Hi: s.rand.Uint64(), Lo: s.rand.Uint64()}
		dst[i].HasHash = true
	}
	return len(dst), nil
}

// appendTime writes the Unix time ns as yyyy-MM-dd HH:mm:ss.SSS in UTC.
func (s *source) appendTime(ns int64) {
	second, ms := ns/1e9, ns%1e9/1e6
	if second != s.second || s.second == 0 {
		s.second = second
		time.Unix(second, 0).UTC().AppendFormat(s.secondText[:0], secondLayout)
	}
	s.arena = append(s.arena, s.secondText[:]...)
	s.arena = append(s.arena, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// appendPrice writes cents as a JSON number with two decimals.
func (s *source) appendPrice(cents uint64) {
	s.arena = strconv.AppendUint(s.arena, cents/100, 10)
	s.arena = append(s.arena, '.', byte('0'+cents/10%10), byte('0'+cents%10))
}

// Close does nothing.
func (s *source) Close() error { return nil }
