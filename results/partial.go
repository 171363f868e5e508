package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/hdr"
)

// loadPartial draws up the summary of a run that was killed, or has not ended yet,
// from what it had written as it went. What it had not come to, such as the verdict on each
// record, the summary does not have.
func loadPartial(dir string) (*Summary, error) {
	s := NewSummary("unknown", filepath.Base(filepath.Clean(dir)))
	s.Verdict, s.ExitCode = Partial, Partial.exitCode()
	var lacks []string
	if h := readHeader(dir); h != nil {
		s.Scenario, s.RunID, s.Target, s.Seed, s.Inject = h.Scenario, h.RunID, h.Target, h.Seed, h.Inject
	} else {
		lacks = append(lacks, FileRun+" is not whole: what ran is not known")
	}
	notes, err := s.addLog(dir)
	if err != nil {
		return nil, err
	}
	last, cut, err := s.addSeries(dir)
	if err != nil {
		return nil, err
	}
	lacks = append(append(lacks, notes...), cut...)
	if len(s.Hops) == 0 && len(s.Load) == 0 {
		return nil, nothingYet(dir)
	}
	s.Phases = []Phase{{Name: "cut off", WallS: last}}
	how := "killed"
	if Running(dir) {
		s.Phases[0].Name, how = "so far", "still running"
	}
	if last > 0 {
		how += " after " + seconds(last)
	}
	s.Reasons = append([]string{how + ": figures up to then, and no verdict on each record"}, lacks...)
	return s, nil
}

func nothingYet(dir string) error {
	how, hint := "was killed before it had", "run it again"
	if Running(dir) {
		how, hint = "is still running and has not", "wait until it has ended"
	}
	err := fmt.Errorf("reading the results of a run: %w: %s %s measured anything", ErrNotComparable, dir, how)
	return kload.WithHint(err, hint)
}

// addLog sums up the interval log by hop.
func (s *Summary) addLog(dir string) (notes []string, err error) {
	f, err := os.Open(filepath.Join(dir, FileHlog))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{FileHlog + " is missing: no latencies"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the results of a killed run: %w", err)
	}
	defer f.Close()
	sums := map[string]*hdr.Sum{}
	info, err := hdr.ReadLog(f, func(e hdr.LogEntry) error {
		if sums[e.Tag] == nil {
			sums[e.Tag] = hdr.NewSum()
		}
		sums[e.Tag].Add(e.Histogram, 1, e.Max)
		return nil
	})
	switch {
	case err != nil: // what stands before it counts
		notes = append(notes, FileHlog+" is damaged: "+err.Error())
	case info.Torn:
		notes = append(notes, FileHlog+" ends inside a line, which is left out")
	}
	for tag, sum := range sums {
		_, name := splitHop(tag)
		hop, _ := kload.ParseHop(name)
		s.Hops[tag] = hopStats(sum.Total(hop))
	}
	return notes, nil
}

// seriesLine is what a summary can be drawn up from.
type seriesLine struct {
	T         float64                    `json:"t_s"`
	Load      map[string]*LoadCounts     `json:"load"`
	Consumers map[string]*ConsumerCounts `json:"consumers"`
	Hops      map[string]hopSample       `json:"hops"`
	Process   struct {
		CPUS      float64 `json:"cpu_s"`
		MaxRSS    uint64  `json:"rss_bytes"`
		Allocated uint64  `json:"allocated_bytes"`
	} `json:"process"`
}

// addSeries takes the counters from the last whole line and adds up over all
// lines what histograms do not show. last is the time of that line in seconds.
func (s *Summary) addSeries(dir string) (last float64, notes []string, err error) {
	data, err := os.ReadFile(filepath.Join(dir, FileSeries))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, []string{FileSeries + " is missing: no counters"}, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("reading the results of a killed run: %w", err)
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if end < len(data) {
		notes = append(notes, FileSeries+" ends inside a line, which is left out")
	}
	var line seriesLine
	for text := range bytes.Lines(data[:end]) {
		var next seriesLine
		if err := errors.Join(json.Unmarshal(text, &next), hollow(next.Load), hollow(next.Consumers)); err != nil {
			notes = append(notes, FileSeries+" is damaged: "+err.Error())
			break
		}
		line = next
		s.addOdd(line.Hops)
	}
	maps.Copy(s.Load, line.Load)
	maps.Copy(s.Consumers, line.Consumers)
	for _, l := range s.Load {
		if l.Scheduled > 0 {
			l.DeliveredRatio = float64(l.Acked) / float64(l.Scheduled)
		}
	}
	p := line.Process
	s.Process.Kload = ProcessStats{CPUS: p.CPUS, MaxRSS: p.MaxRSS, Allocated: p.Allocated, WallS: line.T}
	return line.T, notes, nil
}

func (s *Summary) addOdd(hops map[string]hopSample) {
	for _, key := range slices.Sorted(maps.Keys(hops)) {
		h, odd := s.Hops[key], hops[key]
		h.OverRange += odd.OverRange
		h.Negative += odd.Negative
		h.BelowResolution += odd.BelowResolution
		if h != (HopStats{}) {
			s.Hops[key] = h
		}
	}
}
