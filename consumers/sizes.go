package consumers

import (
	"sync/atomic"

	"github.com/kload/kload"
)

const (
	// mostAnswer is the most bytes in one answer. Source: Amazon Kinesis Data
	// Streams API Reference, GetRecords.
	mostAnswer = 10 << 20
	// leastAnswer is what any answer is expected to have at least.
	leastAnswer = 64 << 10
	// perRecord is the memory of a stream record beyond its data and key: what
	// [kload.StreamRecord] holds and the digits of its sequence number.
	perRecord = 160
)

// sizes remembers the last answers of a reading, from which the next one's size
// follows. The fetcher's.
type sizes struct {
	answered     bool
	last         int64 // bytes
	behind       bool  // more was there
	at, interval int64 // when it came, or reading began, and how long after the one before
}

// see takes in an answer and returns the memory it takes.
func (s *sizes) see(b *kload.Batch) int64 {
	more := int64(len(b.Records)) * perRecord
	s.last = more
	for i := range b.Records {
		s.last += int64(len(b.Records[i].Data) + len(b.Records[i].Key))
	}
	s.at, s.interval = b.Received, b.Received-s.at
	s.answered, s.behind = true, b.Behind > 0
	return max(s.last, b.Memory+more)
}

// next returns how large an answer is expected to be at a time: it grows with
// what arrives meanwhile, and where the last one left something behind it does
// not shrink.
func (s *sizes) next(now int64) int64 {
	n := s.last
	if s.interval > 0 {
		n = int64(float64(n) * float64(now-s.at) / float64(s.interval))
	}
	if s.behind {
		n = max(n, s.last)
	}
	return n
}

// expects returns how many bytes the next answer is to take from the budget. Of
// a reader that blocks, whose answer comes when there is one, that is next to
// nothing: it only waits for the budget to have room.
func (r *reading) expects(c *Consumer) int64 {
	if r.polled == nil {
		return 1
	}
	n := c.usual.bytes.Load()
	if r.sizes.answered {
		n = r.sizes.next(c.o.Clock.Now())
	}
	return min(max(n, leastAnswer), mostAnswer)
}

// usual is how large recent answers were at the most, over all readings: what is
// expected of a reading that has had none. It is safe for concurrent use; of two
// answers at the same moment one may go unseen.
type usual struct{ bytes atomic.Int64 }

func (u *usual) see(bytes int64) {
	was := u.bytes.Load()
	u.bytes.Store(max(bytes, was-was/8))
}
