package producer

import (
	"context"
	"errors"
	"fmt"

	"github.com/kload/kload"
)

// Saturation says what a load does with records that are due while the ingress
// has no room: its byte budget is used up.
type Saturation string

// The choices.
const (
	// Block waits. The records leave late and keep their intended times, so the
	// wait counts as their latency.
	Block Saturation = "block"
	// Shed leaves out what has no room, and counts it.
	Shed Saturation = "shed"
	// Abort ends the load with [ErrSaturated].
	Abort Saturation = "abort"
)

// ErrSaturated says that the ingress had no room and the load was told to abort
// then.
var ErrSaturated = errors.New("the ingress is saturated")

// Trier is an ingress that can say no instead of blocking.
type Trier interface {
	kload.Ingress
	// TryPutBatch is PutBatch without waiting: it accepts a prefix of recs for
	// which there is room now. Fewer than all is no error.
	TryPutBatch(recs []kload.Record) (n int, err error)
}

var _ Trier = (*Producer)(nil)

// PutWaiting is PutBatch made of TryPutBatch: it puts all of recs and, while there
// is no room for the next, waits. An error of wait ends it.
func PutWaiting(ctx context.Context, t Trier, recs []kload.Record, wait func(context.Context) error) (int, error) {
	done := 0
	for done < len(recs) {
		n, err := t.TryPutBatch(recs[done:])
		done += n
		if n == 0 && err == nil {
			err = wait(ctx)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// try hands over stamped records without waiting and sheds the others or gives
// up.
func (l *Load) try(recs []kload.Record) error {
	t, ok := l.o.Ingress.(Trier)
	if !ok {
		return kload.WithHint(fmt.Errorf("%w: the ingress cannot do anything but block when it is saturated", kload.ErrInvalid),
			"set on_saturation: block")
	}
	n, err := t.TryPutBatch(recs)
	l.sent += uint64(n)
	l.o.Ledger.Sent(uint64(n))
	left := len(recs) - n
	if err != nil || left == 0 {
		return err
	}
	if l.o.OnSaturation == Abort {
		return kload.WithHint(fmt.Errorf("%w after %d records", ErrSaturated, l.sent),
			"the stream takes less than the load sends: add shards, lower the rate, raise ingress.kinesis.memory, or set on_saturation: block or shed")
	}
	l.leaveOut(left)
	return nil
}
