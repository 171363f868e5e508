//go:build unix

package consumer_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/kload/kload/test/bench/rows"
)

var (
	rounds    = flag.Int("rounds", 0, "repetitions of each row; 0 measures nothing")
	megabytes = flag.Int("mb", 100, "payload of one measurement, MB; as much is moved before it to warm up")
)

func suite() rows.Suite { return rows.Suite{Rows: all(), Serve: serve} }

func TestMain(m *testing.M) { os.Exit(suite().Main(m)) }

// TestConsumer measures the rows, -rounds times each in turn, and prints Go
// benchmark lines. With enough payload for figures that mean something it compares
// medians with what kload promises.
func TestConsumer(t *testing.T) {
	if *rounds == 0 {
		t.Skip("starts a process per row: use make bench-consumer, or -rounds 1 -mb 1 to try it out")
	}
	p := rows.Plan{Command: "go test ./test/bench/consumer -count=1 -v -run TestConsumer", Rounds: *rounds, Megabytes: *megabytes}
	table := suite().Measure(t, p)
	if p.Meaningful() {
		report(table)
	}
}

// report prints the medians beside what is promised.
func report(r *rows.Table) {
	fmt.Fprintf(r.Out, "\n# medians of this run, ns of CPU per user record; scalar MD5 takes %.2f ns/B here\n", r.Median("Primitives", "md5-ns/B"))
	for _, size := range sizes() {
		at := "/size=" + strconv.Itoa(size)
		read, sdk := r.Median("Read"+at+"/kload", "cpu-ns/record"), r.Median("Read"+at+"/sdk+awslabs", "cpu-ns/record")
		ours, theirs := r.Median("Deaggregate"+at+"/kload", "cpu-ns/record"), r.Median("Deaggregate"+at+"/awslabs", "cpu-ns/record")
		fmt.Fprintf(r.Out, "# %4d B: fetch to verdict %.0f, SDK + awslabs %.0f: %.2f <= 0.5 %s\n", size, read, sdk, read/sdk, verdict(read/sdk <= 0.5))
		fmt.Fprintf(r.Out, "# %4d B: de-aggregation %.0f, awslabs %.0f: %.2f >= 3 %s\n", size, ours, theirs, theirs/ours, verdict(theirs/ours >= 3))
		fmt.Fprintf(r.Out, "# %4d B: heap per user record, fetch to verdict %.1f B, SDK + awslabs %.0f B\n",
			size, r.Median("Read"+at+"/kload", "B/record"), r.Median("Read"+at+"/sdk+awslabs", "B/record"))
	}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}
