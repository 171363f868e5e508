package results

import (
	"io"
	"strings"
	"time"

	"github.com/kload/kload/internal/units"
)

// ProgressSample is the state of a run at one moment.
type ProgressSample struct {
	Phase         string
	Elapsed       time.Duration
	Total         time.Duration // length of the schedule, 0 when not known
	Scheduled     uint64
	Acked         uint64
	Rejected      uint64
	Unknown       uint64
	AckedPerS     float64
	Outstanding   uint64 // acknowledged, but not yet read by every consumer
	ResponseP99   int64  // of the last second, in nanoseconds; 0 without samples
	EndToEndP99   int64
	Throttled     uint64
	WriteProblems int // results that could not be written so far

	// Of replays of recorded data; zero without one.
	SourceTime time.Time
	Lag        int64         // p99 of the last second, in nanoseconds
	Left       time.Duration // estimated time to the end, 0 when not known
}

// Line renders the sample in at most width columns; parts that do not fit are
// left out, the least important first. A width below 1 means no limit.
func (s ProgressSample) Line(width int) string {
	elapsed := units.Duration(s.Elapsed.Round(time.Second))
	if s.Total > 0 {
		elapsed += "/" + units.Duration(s.Total.Round(time.Second))
	}
	parts := []string{
		strings.TrimSpace(s.Phase + " " + elapsed),
		units.Thousands(s.Acked) + " of " + units.Thousands(s.Scheduled) + " acked",
		units.PerSecond(s.AckedPerS),
	}
	add := func(show bool, text string) {
		if show {
			parts = append(parts, text)
		}
	}
	add(s.Rejected > 0, units.Thousands(s.Rejected)+" rejected")
	add(s.Unknown > 0, units.Thousands(s.Unknown)+" unknown")
	add(s.WriteProblems > 0, "results incomplete")
	if !s.SourceTime.IsZero() {
		add(true, "at "+s.SourceTime.Format("2006-01-02T15:04:05Z"))
		add(true, "lag "+duration(s.Lag))
	}
	left := s.Left.Round(time.Second)
	add(left > 0, "about "+units.Duration(left)+" left")
	add(s.Outstanding > 0, units.Thousands(s.Outstanding)+" to read")
	add(s.ResponseP99 > 0, "response p99 "+duration(s.ResponseP99))
	add(s.EndToEndP99 > 0, "end to end p99 "+duration(s.EndToEndP99))
	add(s.Throttled > 0, units.Thousands(s.Throttled)+" throttled")
	return fit(parts, width)
}

func fit(parts []string, width int) string {
	const gap = "  "
	line := strings.Join(parts, gap)
	for width > 0 && len(parts) > 1 && len([]rune(line)) > width {
		parts = parts[:len(parts)-1]
		line = strings.Join(parts, gap)
	}
	if width > 0 {
		return clip(line, width)
	}
	return line
}

// PlainEvery is how far apart progress lines are where they cannot be redrawn.
const PlainEvery = 5 * time.Second

// Progress shows samples as they come: one redrawn line on a terminal, a line
// every PlainEvery elsewhere. It is used from one goroutine and starts none.
type Progress struct {
	w        io.Writer
	terminal bool
	width    int
	drawn    bool
	next     time.Duration
	last     time.Duration // Elapsed of the latest sample
}

// NewProgress returns a progress line on w. width is the terminal's.
func NewProgress(w io.Writer, terminal bool, width int) *Progress {
	return &Progress{w: w, terminal: terminal, width: width}
}

const clearLine = "\r\x1b[K"

// Update shows a sample, where one is due.
func (p *Progress) Update(s ProgressSample) error {
	if p.terminal {
		p.drawn = true
		// The last column stays free: some terminals wrap when it is filled.
		return p.write(clearLine + s.Line(max(0, p.width-1)))
	}
	again := s.Elapsed < p.last // the next of several runs
	p.last = s.Elapsed
	if s.Elapsed < p.next && !again {
		return nil
	}
	p.next = s.Elapsed.Truncate(PlainEvery) + PlainEvery
	return p.write("kload: " + s.Line(0) + "\n")
}

// Clear takes the redrawn line away, for other output or at the end.
func (p *Progress) Clear() error {
	if !p.drawn {
		return nil
	}
	p.drawn = false
	return p.write(clearLine)
}

func (p *Progress) write(s string) error {
	_, err := io.WriteString(p.w, s)
	return err
}
