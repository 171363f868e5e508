package kinesis

import (
	"time"

	"golang.org/x/time/rate"
)

// bucket is a token bucket one second deep, the shape of the service's
// per-shard budgets: it refills steadily and forgets what is over a second's
// worth. A nil bucket never runs out.
type bucket struct{ lim *rate.Limiter }

func newBucket(perSecond float64, off bool) *bucket {
	if off {
		return nil
	}
	return &bucket{rate.NewLimiter(rate.Limit(perSecond), int(perSecond))}
}

// has reports whether n tokens can be taken. What is larger than the bucket
// needs a full one and drains it below zero, as the service describes for large
// records.
func (b *bucket) has(now time.Time, n int) bool {
	return b == nil || b.lim.TokensAt(now) >= float64(min(n, b.lim.Burst()))
}

// solvent reports whether the bucket is not in debt.
func (b *bucket) solvent(now time.Time) bool {
	return b == nil || b.lim.TokensAt(now) >= 0
}

// debt returns how long the bucket needs to be solvent again.
func (b *bucket) debt(now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	tokens := b.lim.TokensAt(now)
	if tokens >= 0 {
		return 0
	}
	return max(1, time.Duration(-tokens/float64(b.lim.Limit())*float64(time.Second)))
}

// charge takes n tokens, going into debt if need be: then following calls wait.
func (b *bucket) charge(now time.Time, n int) {
	if b == nil {
		return
	}
	for part := b.lim.Burst(); n > 0; n -= part {
		b.lim.ReserveN(now, min(n, part))
	}
}
