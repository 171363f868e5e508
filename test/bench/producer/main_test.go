//go:build unix

package producer_test

import (
	"flag"
	"os"
	"testing"

	"github.com/kload/kload/test/bench/rows"
)

var (
	rounds    = flag.Int("rounds", 0, "repetitions of each row; 0 measures nothing")
	megabytes = flag.Int("mb", 150, "payload of one measurement, MB")
	only      = flag.String("rows", "", "measure only rows whose names contain this")
)

func suite() rows.Suite { return rows.Suite{Rows: all(), Serve: serve} }

func TestMain(m *testing.M) { os.Exit(suite().Main(m)) }

// TestProducer measures the rows, -rounds times each in turn, and prints Go
// benchmark lines. With enough payload for figures that mean something it compares
// medians with what kload promises.
func TestProducer(t *testing.T) {
	if *rounds == 0 {
		t.Skip("starts a process per row: use make bench-producer, or -rounds 1 -mb 1 to try it out")
	}
	p := rows.Plan{Command: "go test ./test/bench/producer -count=1 -v -run TestProducer", Rounds: *rounds, Megabytes: *megabytes, Only: *only}
	r := report{suite().Measure(t, p)}
	if p.Meaningful() {
		r.print()
	}
}
