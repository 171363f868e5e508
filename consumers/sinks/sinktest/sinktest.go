// Package sinktest is the conformance suite of sinks: plug-ins that implement
// [kload.Sink].
package sinktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
)

// Factory returns a new sink, and a function that reads back the payloads it
// stored, in the order of storage, once it is closed. The function is nil for a
// sink that keeps nothing.
type Factory func(t *testing.T) (sink kload.Sink, stored func() []string)

// Routes are the names that the suite's records are routed to in turn.
func Routes() [2]string { return [2]string{"even", "odd"} }

// Run runs the suite. Payloads are JSON objects of one line.
func Run(t *testing.T, open Factory) {
	t.Run("copies what it keeps, in order", func(t *testing.T) { copies(t, open) })
	t.Run("takes partitions at the same time", func(t *testing.T) { concurrent(t, open) })
	t.Run("is closed once and for all", func(t *testing.T) { closed(t, open) })
}

// batch returns user records with the given numbers, which share a partition.
func batch(partition string, from, to int) *kload.Batch {
	b := &kload.Batch{Partition: partition}
	for i := from; i < to; i++ {
		b.Users = append(b.Users, kload.Delivery{
			Data: []byte(payload(partition, i)), Key: []byte(partition), Route: Routes()[i%2], Traced: true, Producer: 1, Seq: uint64(i),
		})
	}
	return b
}

func payload(partition string, i int) string {
	return fmt.Sprintf(`{"partition":%q,"n":%d}`, partition, i)
}

func write(t *testing.T, sink kload.Sink, b *kload.Batch) {
	t.Helper()
	if err := sink.Write(t.Context(), b, b.Users); err != nil {
		t.Error(err)
	}
	for i := range b.Users { // the batch is released now
		clear(b.Users[i].Data)
		clear(b.Users[i].Key)
	}
}

func finish(t *testing.T, sink kload.Sink, written uint64) {
	t.Helper()
	if err := sink.Close(); err != nil {
		t.Error(err)
	}
	if sink.Written() != written {
		t.Errorf("closed with %d records written, want %d", sink.Written(), written)
	}
}

func copies(t *testing.T, open Factory) {
	sink, stored := open(t)
	var want []string
	for i, size := range []int{1, 0, 7, 500} {
		write(t, sink, batch("p", len(want), len(want)+size))
		for range size {
			want = append(want, payload("p", len(want)))
		}
		if sink.Written() != uint64(len(want)) {
			t.Errorf("after write %d: %d records written, want %d", i, sink.Written(), len(want))
		}
	}
	finish(t, sink, uint64(len(want)))
	if stored != nil {
		if diff := cmp.Diff(want, stored()); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	}
}

func concurrent(t *testing.T, open Factory) {
	const partitions, writes, size = 4, 20, 25
	sink, stored := open(t)
	var wg sync.WaitGroup
	for p := range partitions {
		wg.Go(func() {
			for n := range writes {
				write(t, sink, batch(fmt.Sprint(p), n*size, (n+1)*size))
				sink.Written() // while others write
			}
		})
	}
	wg.Wait()
	finish(t, sink, partitions*writes*size)
	if stored == nil {
		return
	}
	got := stored()
	for p := range partitions {
		var want []string
		for i := range writes * size {
			want = append(want, payload(fmt.Sprint(p), i))
		}
		mine := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.Contains(s, fmt.Sprintf(`"partition":"%d"`, p)) })
		if diff := cmp.Diff(want, mine); diff != "" {
			t.Errorf("partition %d (-want +got):\n%s", p, diff)
		}
	}
	if len(got) != partitions*writes*size {
		t.Errorf("%d records stored", len(got))
	}
}

func closed(t *testing.T, open Factory) {
	sink, _ := open(t)
	write(t, sink, batch("p", 0, 3))
	finish(t, sink, 3)
	b := batch("p", 3, 4)
	err := sink.Write(t.Context(), b, b.Users)
	if !errors.Is(err, kload.ErrClosed) || err.Error() == kload.ErrClosed.Error() {
		t.Errorf("writing after Close gave %v, want an error that wraps ErrClosed and says what failed", err)
	}
	if sink.Written() != 3 {
		t.Errorf("%d records written, want 3", sink.Written())
	}
}
