package consumers_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
)

// growing is an input of polled partitions in which bytes arrive at a rate each,
// and from which one answer takes as much as there is, 10 MiB at most.
type growing struct {
	partitions int
	rate       float64 // bytes/s each
}

func (g *growing) Partitions(context.Context) (list []kload.Partition, err error) {
	for i := range g.partitions {
		list = append(list, kload.Partition{ID: fmt.Sprint("p", i)})
	}
	return list, nil
}

func (g *growing) Open(_ context.Context, id string, _ kload.Position) (kload.Reader, error) {
	now := time.Now().UnixNano()
	return &grower{growing: g, id: id, due: now, read: now}, nil
}

func (*growing) Close(context.Context) error { return nil }

type grower struct {
	*growing
	id   string
	due  int64
	read int64 // until when it has been read
}

func (g *grower) Due() int64 { return g.due }

// Next answers after 5 ms.
func (g *grower) Next(context.Context) (*kload.Batch, error) {
	g.due = time.Now().UnixNano() + int64(200*time.Millisecond)
	<-time.After(5 * time.Millisecond)
	now := time.Now().UnixNano()
	all := float64(now-g.read) / 1e9 * g.rate
	n := min(all, 10<<20-1000)
	g.read += int64(n / g.rate * 1e9)
	b := &kload.Batch{Partition: g.id, Received: now, Behind: time.Duration(now - g.read)}
	b.Records = []kload.StreamRecord{{Data: make([]byte, int(n))}}
	return b, nil
}

func (*grower) Close() error { return nil }

// TestBudget has a consumer fall behind: by a pause, or because its host is slow.
// However large the answers get, what is fetched and not processed stays within
// the budget; where everything fits, nobody waits for it.
func TestBudget(t *testing.T) {
	const memory = 32 << 20
	tests := []struct {
		name       string
		partitions int
		rate       float64
		pause      time.Duration
		cost       time.Duration // of a batch in the host
		held       bool
	}{
		{"keeps up", 32, 1 << 20, 0, 0, false},
		{"stands still for a while", 32, 1 << 20, 20 * time.Second, 0, true},
		{"slow host", 32, 1 << 20, 0, 100 * time.Millisecond, true},
		{"many idle partitions", 1000, 1000, 0, 0, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				batches := 0
				c := newConsumer(&growing{tc.partitions, tc.rate}, host(func(context.Context, *kload.Batch) error {
					batches++
					if tc.cost > 0 {
						<-time.After(tc.cost)
					}
					return nil
				}), func(o *consumers.Options) { o.Memory, o.Workers = memory, 1 })
				ctx, cancel := context.WithCancel(t.Context())
				wait := background(ctx, c)
				<-time.After(2 * time.Second) // at first, no answer's size is known
				begun, _ := c.Held()
				if tc.pause > 0 {
					c.Pause()
					<-time.After(tc.pause)
					c.Resume()
				}
				<-time.After(3 * time.Second)
				cancel()
				fail(t, wait())
				held, most := c.Held()
				if most > memory || (held > begun) != tc.held {
					t.Errorf("%d fetches waited, %d more later, %d bytes at most", begun, held-begun, most)
				}
				if least := 4 * tc.partitions; tc.cost == 0 && batches < least {
					t.Errorf("%d batches, want %d at least", batches, least)
				}
			})
		})
	}
}
