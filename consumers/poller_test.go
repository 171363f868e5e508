package consumers_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
)

// distant is a [kload.Opener] of partitions that are polled every so often. A call
// takes 20 ms, as one to another city does.
type distant struct {
	partitions int
	every      time.Duration
	stuck      chan struct{} // the first partition answers no sooner, whatever its context; nil if it does

	mu     sync.Mutex
	calls  []call
	closed int
}

// call is when a partition was called, and since when it was due.
type call struct {
	id      string
	at, due time.Time
}

func (d *distant) Partitions(context.Context) (list []kload.Partition, err error) {
	for i := range d.partitions {
		list = append(list, kload.Partition{ID: fmt.Sprint("p", i)})
	}
	return list, nil
}

func (d *distant) Open(_ context.Context, id string, _ kload.Position) (kload.Reader, error) {
	return &distantReader{distant: d, id: id, due: time.Now()}, nil
}

func (*distant) Close(context.Context) error { return nil }

// all returns the calls so far, and how many readers were closed.
func (d *distant) all() ([]call, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls), d.closed
}

type distantReader struct {
	*distant
	id  string
	due time.Time
}

func (r *distantReader) Due() int64 { return r.due.UnixNano() }

func (r *distantReader) Next(context.Context) (*kload.Batch, error) {
	r.mu.Lock()
	r.calls = append(r.calls, call{r.id, time.Now(), r.due})
	r.mu.Unlock()
	r.due = time.Now().Add(r.every)
	<-time.After(20 * time.Millisecond)
	if r.stuck != nil && r.id == "p0" {
		<-r.stuck
	}
	return nil, nil
}

func (r *distantReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	return nil
}

// TestDistant polls many partitions whose calls take long: none is called late by
// more than 32 at a time make it, and by more than the fetchers take to be so many;
// the same counts from the end of a pause that began while all of them had a call
// under way.
func TestDistant(t *testing.T) {
	const (
		partitions = 200
		ms         = time.Millisecond
		latest     = 6*20*ms + 5*ms // six calls before it, and 1, 2, 4, 8, 16 fetchers
	)
	for _, pause := range []time.Duration{0, time.Second} {
		t.Run(fmt.Sprint("pause=", pause), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := &distant{partitions: partitions, every: 200 * ms}
				c := newConsumer(in, host(ignore), func(o *consumers.Options) { o.Workers, o.Memory = 1, 1<<40 })
				ctx, cancel := context.WithCancel(t.Context())
				wait := background(ctx, c)
				<-time.After(10 * ms)
				synctest.Wait()
				resumed := time.Now()
				if pause > 0 {
					before, _ := in.all()
					c.Pause()
					<-time.After(pause)
					fail(t, c.Revoke(t.Context(), "p199"))
					if after, closed := in.all(); len(before) != 32 || len(after) != 32 || closed != 1 {
						t.Errorf("%d calls before a pause, %d after it, %d revoked, want 32, 32 and 1", len(before), len(after), closed)
					}
					resumed = time.Now()
					c.Resume()
				}
				<-time.After(time.Second)
				ended := time.Now()
				cancel()
				fail(t, wait())
				calls, closed := in.all()
				counts := map[string]int{}
				for _, call := range calls {
					if !call.at.Before(ended) { // everything is due then, and a call may begin before its context is over
						continue
					}
					since := call.due
					if pause > 0 && !call.at.Before(resumed) && since.Before(resumed) {
						since = resumed
					}
					if late := call.at.Sub(since); late < 0 || late > latest {
						t.Errorf("%s was called %v after it was due, want %v at most", call.id, late, latest)
					}
					counts[call.id]++
				}
				if pause > 0 {
					counts["p199"] += 4
				}
				for id, n := range counts {
					if n < 4 || n > 7 {
						t.Errorf("%s was called %d times in a second", id, n)
					}
				}
				if len(counts) != partitions || closed != partitions {
					t.Errorf("%d partitions called, %d closed, want %d", len(counts), closed, partitions)
				}
			})
		})
	}
}

// TestStuck ends a run whose only busy fetcher waits for a call that does not end
// with it: the other partitions do not wait until they are due.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &distant{partitions: 3, every: time.Hour, stuck: make(chan struct{})}
		c := newConsumer(in, host(ignore), func(o *consumers.Options) { o.Workers, o.Memory = 1, 1<<40 })
		ctx, cancel := context.WithCancel(t.Context())
		wait := background(ctx, c)
		<-time.After(time.Second)
		cancel()
		<-time.After(time.Second)
		if _, closed := in.all(); closed != 2 {
			t.Errorf("%d partitions of 2 closed", closed)
		}
		close(in.stuck)
		fail(t, wait())
		if calls, closed := in.all(); len(calls) != 3 || closed != 3 {
			t.Errorf("%d calls, %d partitions closed, want 3 of each", len(calls), closed)
		}
	})
}
