package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/shard"
)

// BenchmarkSight shows a consumer the records of a load with few and with many
// partition keys, in batches as readers return them, with all verdicts on. It
// states CPU time: the figure holds on a machine that others use, too.
func BenchmarkSight(b *testing.B) {
	for _, keys := range []int{16, 1 << 16, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			l := ledger.New(1)
			load, reader := l.AddLoad("events", ledger.LoadOptions{Ordered: true, ByKey: true}), l.AddConsumer("reader")
			reader.SetRange("p", shard.Split(1)[0])
			bb := batch("p", 0, make([]uint64, cycleRecords)...)
			intact := slices.Repeat([]bool{true}, cycleRecords)
			random := rand.New(rand.NewPCG(1, 2))
			o := outcome(1, kload.Acked, make([]uint64, cycleRecords)...)
			next := 0
			show := func(key func() int) (cpu int64) {
				for i := range bb.Users {
					u := &bb.Users[i]
					u.Key = strconv.AppendInt(append(u.Key[:0], "partition-key-"...), int64(key()), 10)
					u.Seq, u.Hash, u.HasHash = uint64(next), kload.HashKey{Lo: 1}, true
					o.Records[i].Seq = uint64(next)
					next++
				}
				load.Sent(cycleRecords)
				from := cpuTime(b)
				reader.Sight(bb, intact)
				load.Outcomes([]kload.Outcome{o})
				return cpuTime(b) - from
			}
			for next < keys {
				show(func() int { return next })
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var cpu int64
			b.ReportAllocs()
			for b.Loop() {
				cpu += show(func() int { return random.IntN(keys) })
			}
			b.ReportMetric(float64(cpu)/float64(b.N*cycleRecords), "cpu-ns/record")
			if r := l.Count().Consumers[0]; r.OrderUnchecked+r.Reordered+r.Misrouted+r.Duplicates+r.Lost > 0 {
				b.Errorf("%+v", r)
			}
		})
	}
}

// cpuTime returns the thread's CPU time in nanoseconds.
func cpuTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}
