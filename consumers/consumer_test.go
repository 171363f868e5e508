package consumers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers"
)

// background runs a consumer and returns a function that waits for its end.
func background(ctx context.Context, c *consumer) (wait func() error) {
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, func() {}) }()
	return func() error { return <-done }
}

// TestOrder has more partitions than workers: all workers work, each partition
// keeps its order, and none is processed twice at a time.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions, batches = 7, 50
		in := newInput(t)
		want := map[string][]string{}
		for p := range partitions {
			id := fmt.Sprint("shard", p)
			in.listed = append(in.listed, id)
			for i := range batches {
				want[id] = append(want[id], fmt.Sprint(i))
				in.add(id, fmt.Sprint(i))
			}
			in.end(id)
		}
		var mu sync.Mutex
		busy, most := 0, 0
		busyWith := map[string]bool{}
		got := map[string][]string{}
		c := newConsumer(in, host(func(_ context.Context, b *kload.Batch) error {
			mu.Lock()
			if busyWith[b.Partition] {
				t.Errorf("%s is processed twice at a time", b.Partition)
			}
			busyWith[b.Partition] = true
			busy++
			most = max(most, busy)
			mu.Unlock()
			<-time.After(time.Millisecond) // virtual: for others to come between
			mu.Lock()
			defer mu.Unlock()
			busyWith[b.Partition] = false
			busy--
			for _, u := range b.Users {
				got[b.Partition] = append(got[b.Partition], string(u.Data))
			}
			return nil
		}), func(o *consumers.Options) { o.Workers = 3 })
		ready := 0
		if err := c.Run(t.Context(), func() { ready++ }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || ready != 1 || most != 3 {
			t.Errorf("ready %d times, %d at a time (-want +got):\n%s", ready, most, diff)
		}
		for id := range want {
			if in.count("close "+id) != 1 {
				t.Errorf("%s was closed %d times", id, in.count("close "+id))
			}
		}
		in.allReleased()
	})
}

// TestChildren reads through a split of a into b and c, and a merge of c and d
// into e. d ends first, when c is not known yet.
func TestChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "a", "d")
		merged := kload.Partition{ID: "e", Parents: []string{"c", "d"}}
		in.add("a", "a1")
		in.end("a", kload.Partition{ID: "b", Parents: []string{"a"}}, kload.Partition{ID: "c", Parents: []string{"a"}})
		in.add("d", "d1")
		in.end("d", merged)
		in.add("c", "c1")
		in.end("c", merged)
		for _, id := range []string{"b", "e"} {
			in.add(id, id+"1")
			in.end(id)
		}
		in.gates["a"] = make(chan struct{})
		c := newConsumer(in, host(func(_ context.Context, b *kload.Batch) error {
			in.note("processed %s", b.Users[0].Data)
			return nil
		}), nil)
		wait := background(t.Context(), c)
		synctest.Wait() // d has ended
		if !in.has("processed d1") || in.has("open e trim_horizon") {
			t.Errorf("while c is unread: %q", in.entries)
		}
		close(in.gates["a"])
		if err := wait(); err != nil {
			t.Error(err)
		}
		for _, order := range [][2]string{
			{"processed a1", "open b trim_horizon"},
			{"processed a1", "open c trim_horizon"},
			{"processed c1", "open e trim_horizon"},
			{"open e trim_horizon", "processed e1"},
		} {
			if i, j := in.index(order[0]), in.index(order[1]); i < 0 || j < i {
				t.Errorf("%s must come before %s: %q", order[0], order[1], in.entries)
			}
		}
		for _, once := range []string{"open a at_run_start", "open d at_run_start", "open b trim_horizon", "open c trim_horizon", "open e trim_horizon", "close e"} {
			if in.count(once) != 1 {
				t.Errorf("%s: %d times", once, in.count(once))
			}
		}
		in.allReleased()
	})
}

// TestCaughtUp gives one partition answers (time received, negative when it was
// not at the tip) and asks about everything stored by time 100.
func TestCaughtUp(t *testing.T) {
	tests := []struct {
		name     string
		received []int64
		want     bool
	}{
		{"nothing read", nil, false},
		{"one answer may belong to a call made before", []int64{100}, false},
		{"an answer before, one after", []int64{99, 101}, false},
		{"two answers", []int64{100, 101}, true},
		{"behind", []int64{-100, 101}, false},
		{"behind again later", []int64{100, 101, -102}, true},
		{"behind in between", []int64{100, -101, 102}, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInput(t, "p", "q")
				for _, at := range tc.received {
					b := in.add("p", "x")
					b.Received, b.Behind = max(at, -at), 0
					if at < 0 {
						b.Behind = 1
					}
				}
				in.end("q") // an ended partition does not count
				ctx, cancel := context.WithCancel(t.Context())
				c := newConsumer(in, host(ignore), nil)
				wait := background(ctx, c)
				synctest.Wait()
				if got := c.CaughtUp(100); got != tc.want {
					t.Errorf("caught up: %v, want %v", got, tc.want)
				}
				cancel()
				if err := wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestCaughtUpWaitsForChildren looks while a child is being opened, and while
// the host works.
func TestCaughtUpWaitsForChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "a")
		in.end("a", kload.Partition{ID: "b", Parents: []string{"a"}})
		for at := range int64(2) {
			b := in.add("b", "x")
			b.Received, b.Behind = 100+at, 0
		}
		in.end("b")
		in.gates["open b"] = make(chan struct{})
		work := make(chan struct{})
		c := newConsumer(in, host(func(context.Context, *kload.Batch) error {
			<-work
			return nil
		}), nil)
		wait := background(t.Context(), c)
		for _, step := range []struct {
			now  string
			then func()
		}{
			{"the child is being opened", func() { close(in.gates["open b"]) }},
			{"the first batch is being processed", func() { work <- struct{}{} }},
			{"the second batch is being processed", func() { close(work) }},
		} {
			synctest.Wait()
			if c.CaughtUp(100) {
				t.Errorf("caught up while %s", step.now)
			}
			step.then()
		}
		if err := wait(); err != nil || !c.CaughtUp(100) {
			t.Errorf("%v, caught up %v", err, c.CaughtUp(100))
		}
	})
}

// TestHostFails lets the host fail on one batch while readers are ahead.
func TestHostFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "p", "q")
		for range 100 {
			in.add("p", "good")
			in.add("q", "good")
		}
		copy(in.batches["p"][3].Records[0].Data, "bad!")
		broken := errors.New("broken")
		failed := false
		c := newConsumer(in, host(func(_ context.Context, b *kload.Batch) error {
			if failed {
				t.Error("the host was called again after it had failed")
			}
			if string(b.Users[0].Data) == "bad!" {
				failed = true
				return broken
			}
			return nil
		}), func(o *consumers.Options) { o.Workers = 1 })
		in.gates["p"] = make(chan struct{})
		err := c.Run(t.Context(), func() { close(in.gates["p"]) }) // both are open
		if !errors.Is(err, broken) || err.Error() != "consumer c: processing a batch of p: broken" {
			t.Errorf("got %v", err)
		}
		if in.count("close p") != 1 || in.count("close q") != 1 {
			t.Errorf("readers were not closed once each: p %d, q %d", in.count("close p"), in.count("close q"))
		}
		in.allReleased()
	})
}

func TestInputFails(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name   string
		script func(*input)
		want   string
		ready  bool
	}{
		{"listing", func(in *input) { in.openErr["*"] = broken }, "consumer c: positioning: broken", false},
		{"opening", func(in *input) { in.openErr["p"] = broken }, "consumer c: positioning: broken", false},
		{"reading", func(in *input) { in.readErr["p"] = broken }, "consumer c: reading p: broken", true},
		{"opening a child", func(in *input) {
			in.end("p", kload.Partition{ID: "child", Parents: []string{"p"}})
			in.openErr["child"] = broken
		}, "consumer c: opening child: broken", true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInput(t, "p", "q")
				in.add("q", "x")
				tc.script(in)
				ready := false
				if tc.ready { // else p may fail before q is open
					in.gates["p"] = make(chan struct{})
				}
				err := newConsumer(in, host(ignore), nil).Run(t.Context(), func() {
					ready = true
					close(in.gates["p"])
				})
				if !errors.Is(err, broken) || err.Error() != tc.want || ready != tc.ready {
					t.Errorf("%v, ready %v; want %s", err, ready, tc.want)
				}
				opened := in.count("open p at_run_start") + in.count("open q at_run_start")
				if closed := in.count("close p") + in.count("close q"); tc.name != "opening" && closed != opened || tc.name == "opening" && closed != opened-1 {
					t.Errorf("%d opened, %d closed", opened, closed)
				}
				in.allReleased()
			})
		})
	}
}

// TestStop ends the context while the host works and further batches wait.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "p", "q", "r")
		for range 10 {
			in.add("p", "x")
			in.add("q", "x")
			in.add("r", "x")
		}
		work := make(chan struct{})
		processed := 0
		c := newConsumer(in, host(func(ctx context.Context, _ *kload.Batch) error {
			<-work
			processed++
			return ctx.Err()
		}), func(o *consumers.Options) { o.Workers = 1 })
		ctx, cancel := context.WithCancel(t.Context())
		wait := background(ctx, c)
		synctest.Wait() // one batch in work, one in the queue, one in the hand of each reader
		fetched := len(in.entries) - 3
		cancel()
		close(work)
		if err := wait(); err != nil {
			t.Error(err)
		}
		after := strings.Count(strings.Join(in.entries, "\n"), "fetch")
		if processed != fetched || after != fetched || fetched < 3 {
			t.Errorf("%d batches fetched, then %d; %d processed", fetched, after, processed)
		}
		in.allReleased()
	})
}

// TestRetain has a host that keeps its batches until later.
func TestRetain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInput(t, "p")
		for i := range 5 {
			in.add("p", fmt.Sprint(i))
		}
		in.end("p")
		var kept []*kload.Batch
		c := newConsumer(in, host(func(_ context.Context, b *kload.Batch) error {
			b.Retain()
			kept = append(kept, b)
			return nil
		}), nil)
		if err := c.Run(t.Context(), func() {}); err != nil {
			t.Fatal(err)
		}
		for i, b := range kept {
			if b.Partition != "p" || string(b.Users[0].Data) != fmt.Sprint(i) {
				t.Errorf("batch %d is %+v", i, b)
			}
			b.Release()
		}
		in.allReleased()
	})
}
