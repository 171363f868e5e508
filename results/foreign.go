package results

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
)

// openForeign reads a file of another tool: an HdrHistogram interval log or a
// percentile distribution.
func openForeign(path string, units Units) (*Run, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading latencies: %w", err)
	}
	defer f.Close()
	r := &Run{Path: path, Foreign: true, Summary: NewSummary(filepath.Base(path), path)}
	switch filepath.Ext(path) {
	case ".hlog":
		r.scale = float64(units.Hlog)
		err = r.addForeignLog(f)
	case ".hgrm":
		r.scale = float64(units.Hgrm)
		err = r.addDistribution(f, r.scale)
	default:
		err = fmt.Errorf("%w: not a run directory, an .hlog or an .hgrm file", ErrNotComparable)
	}
	if err == nil && len(r.Summary.Hops) == 0 {
		err = fmt.Errorf("%w: it holds no values", ErrNotComparable)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return r, nil
}

// addForeignLog sums up a log by tag and keeps its time line. What begins less
// than half an interval after another is of the same one: tools that write several
// tags may look at the clock for each. Of intervals that are not in the order of
// time there is no time line.
func (r *Run) addForeignLog(f io.Reader) error {
	sums := map[string]*hdr.Sum{}
	r.lines = newTimeline()
	var began time.Time
	ordered := true
	info, err := hdr.ReadLog(f, func(e hdr.LogEntry) error {
		key := logKey(e.Tag)
		if sums[key] == nil {
			sums[key] = hdr.NewSum()
		}
		sums[key].Add(e.Histogram, r.scale, 0)
		half, later := e.End.Sub(e.Start)/2, e.Start.Sub(began)
		if began.IsZero() || later > half {
			began = e.Start
		}
		ordered = ordered && (later >= 0 || -later <= half)
		r.lines.add(key, began, e.Histogram, r.scale)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotComparable, err)
	}
	if !ordered {
		r.lines = nil
	}
	if info.Torn {
		r.Partial = "ends inside a line, which is left out"
	}
	for key, sum := range sums {
		_, name := splitHop(key)
		hop, ok := kload.ParseHop(name)
		if !ok {
			hop = kload.HopResponse // any that compares no clocks
		}
		r.Summary.Hops[key] = hopStats(sum.Total(hop))
	}
	return nil
}

// addDistribution reads the lines that HdrHistogram's outputPercentileDistribution
// writes: value, percentile as a share, count up to it. They say nothing of time.
func (r *Run) addDistribution(f io.Reader, scale float64) error {
	var rows []distributionRow
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || strings.HasPrefix(fields[0], "#") || fields[0] == "Value" {
			continue
		}
		row, err := parseDistributionRow(fields, scale)
		if err == nil && len(rows) > 0 && row.count < rows[len(rows)-1].count {
			err = errors.New("counts must not fall")
		}
		if err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrNotComparable, n, err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotComparable, err)
	}
	if len(rows) > 0 && rows[len(rows)-1].share < 1-1e-9 {
		return fmt.Errorf("%w: it was cut off at %.4g %% of the values", ErrNotComparable, rows[len(rows)-1].share*100)
	}
	if len(rows) > 0 && rows[len(rows)-1].count > 0 {
		r.Summary.Hops[logKey("")] = distributionStats(rows)
	}
	return nil
}

type distributionRow struct {
	value int64 // ns
	share float64
	count int64
}

func parseDistributionRow(fields []string, scale float64) (distributionRow, error) {
	value, err := strconv.ParseFloat(fields[0], 64)
	if err != nil {
		return distributionRow{}, fmt.Errorf("parsing the value: %w", err)
	}
	share, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return distributionRow{}, fmt.Errorf("parsing the percentile: %w", err)
	}
	count, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return distributionRow{}, fmt.Errorf("parsing the count: %w", err)
	}
	ns := value * scale
	if !(ns >= 0 && ns < math.MaxInt64/2) || !(share >= 0 && share <= 1) || count < 0 {
		return distributionRow{}, fmt.Errorf("%s, %s or %s is out of range", fields[0], fields[1], fields[2])
	}
	return distributionRow{int64(math.Round(ns)), share, count}, nil
}

// distributionStats reads the statistics off the rows: the value of the first
// row that reaches a percentile. The mean takes values to lie halfway between rows.
func distributionStats(rows []distributionRow) HopStats {
	at := func(share float64) int64 {
		for _, row := range rows {
			if row.share >= share-1e-9 {
				return row.value
			}
		}
		return rows[len(rows)-1].value
	}
	last := rows[len(rows)-1]
	var sum float64
	before := distributionRow{value: rows[0].value}
	for _, row := range rows {
		sum += float64(before.value+row.value) / 2 * float64(row.count-before.count)
		before = row
	}
	mean := math.Round(sum / float64(last.count))
	return HopStats{
		Count: last.count, P50: at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999), Max: last.value,
		Mean: mean, OverRange: countAbove(rows, int64(time.Hour)),
	}
}

// countAbove counts values above a bound, as far as rows tell.
func countAbove(rows []distributionRow, bound int64) int64 {
	var below int64
	for _, row := range rows {
		if row.value <= bound {
			below = row.count
		}
	}
	return rows[len(rows)-1].count - below
}
