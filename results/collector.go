package results

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kload/kload/internal/hdr"
)

// SampleFunc returns the counters of the running load for one line of
// series.ndjson. It is called from Tick. The keys t, t_s and hops are taken.
type SampleFunc func() map[string]any

// Collector writes what a run measures while it runs. One goroutine calls Tick
// once a second and Close at the end; Add and Event may be called from others.
type Collector struct {
	dir    *Dir
	start  time.Time
	last   time.Time
	sample SampleFunc
	log    *hdr.LogWriter
	hlog   *appendLog
	series *appendLog
	warned map[string]bool // files a failure was returned for

	mu struct {
		sync.Mutex
		sets   []*hdr.Set
		events *appendLog
	}
	closed bool
}

// NewCollector opens the logs of the run directory. sample may be nil.
func NewCollector(d *Dir, start time.Time, sample SampleFunc, sets ...*hdr.Set) (*Collector, error) {
	c := &Collector{dir: d, start: start, last: start, sample: sample, warned: map[string]bool{}}
	c.mu.sets = slices.Clone(sets)
	var errs [4]error
	c.hlog, errs[0] = d.newAppendLog(FileHlog)
	c.series, errs[1] = d.newAppendLog(FileSeries)
	c.mu.events, errs[2] = d.newAppendLog(FileEvents)
	if errs[0] == nil {
		c.log, errs[3] = hdr.NewLogWriter(c.hlog, start)
		errs[3] = d.note(FileHlog, errs[3])
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, errors.Join(err, c.closeFiles())
	}
	return c, nil
}

// Add makes the collector rotate one more set from the next tick on.
func (c *Collector) Add(set *hdr.Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.sets = append(c.mu.sets, set)
}

func (c *Collector) sets() []*hdr.Set {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.mu.sets)
}

// hopSample is a hop's interval in series.ndjson.
type hopSample struct {
	Count int64 `json:"count"`
	P50   int64 `json:"p50_ns"`
	P99   int64 `json:"p99_ns"`
	Max   int64 `json:"max_ns"`
	// What the histogram cannot show, left out where there is none.
	OverRange       int64 `json:"over_range,omitempty"`
	Negative        int64 `json:"negative,omitempty"`
	BelowResolution int64 `json:"below_resolution,omitempty"`
}

// Tick ends the interval at now: it swaps the histograms, appends them and a
// line of counters, and syncs the files. What cannot be written stays in the
// totals; the error of a file is returned the first time only and counted in the
// directory's Incomplete.
func (c *Collector) Tick(now time.Time) error {
	var errs []error
	hops := map[string]hopSample{}
	for _, set := range c.sets() {
		for _, iv := range set.Rotate() {
			hops[set.Owner()+"/"+iv.Hop.String()] = hopSample{
				Count: iv.Histogram.TotalCount(), P50: iv.Quantile(50), P99: iv.Quantile(99), Max: iv.Max,
				OverRange: iv.OverRange, Negative: iv.Negative, BelowResolution: iv.BelowResolution,
			}
			errs = append(errs, c.once(FileHlog, c.dir.note(FileHlog, c.log.Write(set.Owner(), iv, c.last, now))))
		}
	}
	errs = append(errs, c.once(FileSeries, c.writeSeries(now, hops)),
		c.once(FileHlog, c.hlog.sync()), c.once(FileSeries, c.series.sync()))
	c.last = now
	return errors.Join(errs...)
}

func (c *Collector) writeSeries(now time.Time, hops map[string]hopSample) error {
	line := map[string]any{}
	if c.sample != nil {
		maps.Copy(line, c.sample())
	}
	if len(hops) > 0 {
		line["hops"] = hops
	}
	return c.writeLine(c.series, now, line)
}

// writeLine appends one JSON line with its time.
func (c *Collector) writeLine(l *appendLog, at time.Time, line map[string]any) error {
	line["t"] = at.UTC().Format(time.RFC3339Nano)
	line["t_s"] = at.Sub(c.start).Seconds()
	data, err := json.Marshal(line)
	if err == nil {
		_, err = l.Write(append(data, '\n'))
	}
	return c.dir.note(l.name, err)
}

// once passes on the first error of a file.
func (c *Collector) once(name string, err error) error {
	if err == nil || c.warned[name] {
		return nil
	}
	c.warned[name] = true
	return err
}

// Event appends a line to events.ndjson: a phase, an action, a throttle. fields
// may be nil; the keys t, t_s and event are taken.
func (c *Collector) Event(at time.Time, kind string, fields map[string]any) error {
	line := map[string]any{"event": kind}
	maps.Copy(line, fields)
	line["event"] = kind
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.writeLine(c.mu.events, at, line); err != nil {
		return err
	}
	return c.mu.events.sync()
}

// Close ends the last interval and closes the files. Further calls do nothing.
func (c *Collector) Close(now time.Time) error {
	if c.closed {
		return nil
	}
	c.closed = true
	return errors.Join(c.Tick(now), c.closeFiles())
}

func (c *Collector) closeFiles() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, l := range []*appendLog{c.hlog, c.series, c.mu.events} {
		if l != nil {
			errs = append(errs, l.close())
		}
	}
	return errors.Join(errs...)
}

// Fill puts the totals of all sets up to the last tick, those of the phases that
// s lists, and the list of unwritten results into the summary.
func (c *Collector) Fill(s *Summary) {
	for _, set := range c.sets() {
		s.AddTotals(set.Owner(), set.Totals())
		for i := range s.Phases {
			s.Phases[i].addTotals(set.Owner(), set.PhaseTotals(i))
		}
	}
	s.Incomplete = c.dir.Incomplete()
}

// WriteHgrm writes one percentile distribution per hop, in milliseconds, for the
// HdrHistogram plotter. Call it after Close.
func (c *Collector) WriteHgrm() error {
	var errs []error
	for _, set := range c.sets() {
		for _, t := range set.Totals() {
			if t.Count > 0 {
				errs = append(errs, c.dir.writeHgrm(set.Owner(), t))
			}
		}
	}
	return errors.Join(errs...)
}
