//go:build linux

package replay_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/pierrec/lz4/v4"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/ledger"
	"github.com/kload/kload/internal/pace"
	"github.com/kload/kload/internal/proc"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/internal/units"
	"github.com/kload/kload/producer"
	"github.com/kload/kload/replay"
)

// rowVerb is the argument of a process that measures one row: what, where the
// data is, and at which endpoint.
const rowVerb = "__row"

// limit10k is how many rows are sent at 10 k/s.
const limit10k = 50_000

func measure(args []string) error {
	values, err := map[string]float64{}, error(nil)
	switch args[0] {
	case "floor":
		values["rows/cpu-s"], err = floor(args[1])
	case "asap":
		values["rows/cpu-s"], err = play(replay.Config{From: args[1], ASAP: true}, args[2:])
	case "first":
		values["ms-to-first"], err = first(replay.Config{From: args[1], Speedup: faster()}, args[2:])
	case "10k":
		_, err = play(replay.Config{From: args[1], Rate: units.Rate{N: 10_000, Per: time.Second}, Limit: limit10k}, args[2:])
		values["MiB-peak"] = float64(proc.PeakMemory()) / (1 << 20)
	case "pacing":
		rate, bad := strconv.Atoi(args[1])
		turn, worse := time.ParseDuration(args[2])
		if err = errors.Join(bad, worse); err == nil {
			values, err = late(rate, turn)
		}
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(values)
}

func faster() replay.Speedup {
	s, _ := replay.ParseSpeedup("6480") // it is one
	return s
}

func open(cfg replay.Config, endpoint []string) (*replay.Source, error) {
	var at replay.Options
	if len(endpoint) > 0 {
		at.S3 = awsclient.Options{Local: true, Endpoint: endpoint[0]}
	}
	return replay.Open(context.Background(), cfg, at)
}

// first returns the milliseconds from opening to the first row.
func first(cfg replay.Config, endpoint []string) (float64, error) {
	began := time.Now()
	src, err := open(cfg, endpoint)
	if err != nil {
		return 0, err
	}
	_, err = src.Next(context.Background(), make([]kload.Record, 1))
	took := time.Since(began)
	return float64(took) / 1e6, errors.Join(err, src.Close())
}

// play runs a load into nothing and returns its rows per second of CPU time.
func play(cfg replay.Config, endpoint []string) (float64, error) {
	before := proc.CPUTime()
	src, err := open(cfg, endpoint)
	if err != nil {
		return 0, err
	}
	in, clock := new(nothing), pace.NewClock()
	load := producer.NewLoad(producer.LoadOptions{
		Source: src, Unpaced: cfg.ASAP, Carrier: trace.None, Run: 1, Ingress: in, Clock: clock,
		Ledger: ledger.New(1).AddLoad("trips", ledger.LoadOptions{Counted: true}),
	})
	_, err = load.Run(context.Background(), clock.Now())
	spent := proc.CPUTime() - before
	if err = errors.Join(err, src.Close()); err != nil {
		return 0, err
	}
	return float64(in.rows) / spent.Seconds(), nil
}

// nothing is an ingress that takes everything.
type nothing struct{ rows int }

func (n *nothing) PutBatch(_ context.Context, recs []kload.Record) (int, error) {
	n.rows += len(recs)
	return len(recs), nil
}

func (n *nothing) Flush(context.Context) error { return nil }
func (n *nothing) Close(context.Context) error { return nil }

// floor decodes a file and finds the digits of each row's time.
func floor(name string) (float64, error) {
	packed, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	attribute := []byte(`"dropoff_datetime":"`)
	before, rows, digits := proc.CPUTime(), 0, 0
	lines := bufio.NewReaderSize(lz4.NewReader(bytes.NewReader(packed)), 256<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			break
		}
		at := line[bytes.Index(line, attribute)+len(attribute):]
		for _, c := range at[:len("2006-01-02T15:04:05")] {
			digits += int(c - '0')
		}
		rows++
	}
	if digits == 0 {
		return 0, fmt.Errorf("%s has no times", name)
	}
	return float64(rows) / (proc.CPUTime() - before).Seconds(), nil
}
