//go:build unix

package producer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/test/bench/rows"
)

// The stream of records that every producer is given.
const (
	keyCount  = 65536
	keySize   = 16
	batchSize = 500 // records per PutBatch

)

// feed yields records of one size. Keys come in an order that no cache of keys
// can use, from memory in a row, so that feeding costs next to nothing.
type feed struct {
	keys, data []byte
	size       int
	key, at    int
}

func newFeed(size int) *feed {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	f := &feed{size: size, data: make([]byte, 1<<20)}
	for i := range f.data {
		f.data[i] = byte(r.Uint32())
	}
	for _, k := range r.Perm(keyCount) {
		f.keys = fmt.Appendf(f.keys, "%0*d", keySize, k)
	}
	return f
}

// next returns the payload and key of a record.
func (f *feed) next() (data, key []byte) {
	if f.at += f.size; f.at+f.size > len(f.data) {
		f.at = 0
	}
	f.key = (f.key + keySize) % len(f.keys)
	return f.data[f.at : f.at+f.size : f.at+f.size], f.keys[f.key : f.key+keySize : f.key+keySize]
}

// putKload is the whole path: PutBatch, prediction, aggregation, request, TLS,
// answer, outcome, with the defaults of a scenario.
func putKload(ctx context.Context, e *rows.Env, size int) (*rows.Figures, error) {
	client, err := ours(ctx, e)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var acked atomic.Int64
	api := &gated{Caller: client.Over(awsclient.CBOR), open: make(chan struct{})}
	p, err := producer.New(ctx, producer.Options{
		API: api, Stream: "s", Config: producer.DefaultConfig(), Clock: pace.NewClock(),
		Outcomes: func(out []kload.Outcome) {
			for i := range out {
				if out[i].Status == kload.Acked {
					acked.Add(int64(len(out[i].Records)))
				}
			}
		},
	})
	if err != nil {
		return nil, err
	}
	f, recs := newFeed(size), make([]kload.Record, batchSize)
	put := func(n int) error {
		for done := 0; done < n; done += batchSize {
			for i := range recs {
				recs[i].Data, recs[i].Key = f.next()
			}
			if _, err := p.PutBatch(ctx, recs); err != nil {
				return err
			}
		}
		return p.Flush(ctx)
	}
	n := e.Bytes / size / batchSize * batchSize
	api.openWhen(func() bool {
		return 10*p.Stats().PeakBytes > 9*uint64(producer.DefaultConfig().Memory) || n*size < 2*int(producer.DefaultConfig().Memory)
	})
	if err := put(n); err != nil {
		return nil, err
	}
	before := acked.Load()
	m := rows.Now()
	if err := put(n); err != nil {
		return nil, err
	}
	got := m.Since(n, size)
	if ours := acked.Load() - before; ours != int64(n) {
		return nil, fmt.Errorf("%d of %d records were acknowledged", ours, n)
	}
	return got, p.Close(ctx)
}

// gated lets no request through until it is opened, so that a producer fills all
// the memory it may use before it is measured: what it allocates once is not what
// a record costs.
type gated struct {
	*awsclient.Caller
	open chan struct{}
}

// openWhen opens the gate when ready says so.
func (g *gated) openWhen(ready func() bool) {
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for !ready() {
			<-tick.C
		}
		close(g.open)
	}()
}

func (g *gated) PutRecords(ctx context.Context, in *kinesis.PutRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	<-g.open
	return g.Caller.PutRecords(ctx, in, opts...)
}
