package producer

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/kload/kload"
)

// PayloadKeys makes the partition key of a hash of the payload: equal payloads
// have equal keys, others spread evenly. It is the hash that amazon-kinesis-replay
// used with the KPL, a 32-bit number of the payload and its line's end, so that
// records keep their shards.
type PayloadKeys struct{}

// Keyer returns the keyer.
func (c *PayloadKeys) Keyer(uint64) Keyer { return &payloadKeyer{} }

// ByKey reports that the key decides the shard.
func (c *PayloadKeys) ByKey() bool { return true }

// Describe says what keys are made of.
func (c *PayloadKeys) Describe() string { return "hashes of the payload" }

type payloadKeyer struct{ arena []byte }

// maxHashDigits is the length of the longest key: a sign and ten digits.
const maxHashDigits = 11

func (k *payloadKeyer) Assign(recs []kload.Record) error {
	if need := len(recs) * maxHashDigits; cap(k.arena) < need {
		k.arena = make([]byte, 0, need)
	}
	k.arena = k.arena[:0]
	for i := range recs {
		from := len(k.arena)
		k.arena = strconv.AppendInt(k.arena, int64(payloadHash(recs[i].Data)), 10)
		setKey(&recs[i], k.arena[from:len(k.arena):len(k.arena)])
	}
	return nil
}

// payloadHash is java.util.Objects.hash of the payload as a string that ends with
// a line feed: 31·h + c over its UTF-16 units, and 31 more.
func payloadHash(data []byte) int32 {
	h := uint32(0)
	for i := 0; i < len(data); {
		c := rune(data[i])
		size := 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRune(data[i:])
		}
		i += size
		if high, low := utf16.EncodeRune(c); high != utf8.RuneError {
			h = 31*(31*h+uint32(high)) + uint32(low)
			continue
		}
		h = 31*h + uint32(c)
	}
	if n := len(data); n == 0 || data[n-1] != '\n' {
		h = 31*h + '\n'
	}
	return int32(31 + h)
}
