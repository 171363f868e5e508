package results

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/kload/kload/internal/hdr"
)

// Run is one run as comparisons see it: a run directory, whole or cut off, or a
// file of another tool.
type Run struct {
	Path    string
	Summary *Summary
	// Partial says what the run lacks, when it was cut off before its end; empty
	// for a whole one.
	Partial string
	// Foreign says that another tool wrote it: only latencies are known.
	Foreign bool

	bare     bool // there is nothing but the summary, nor should there be
	header   *header
	settings map[string]string // the resolved scenario by path; nil where it is not known
	lines    *timeline         // what the log holds, once it was read
	scale    float64           // nanoseconds in a unit of the file's values
}

// NewRun returns a run of which nothing is known but its summary.
func NewRun(s *Summary) *Run { return &Run{Path: s.RunID, Summary: s, scale: 1, bare: true} }

// header is what comparisons use of run.json.
type header struct {
	Kload    string    `json:"kload"`
	RunID    string    `json:"run_id"`
	Scenario string    `json:"scenario"`
	Seed     uint64    `json:"seed"`
	Inject   []string  `json:"inject"`
	Started  time.Time `json:"started"`
	Target   Target    `json:"target"`
	Host     struct {
		Name       string `json:"name"`
		OS         string `json:"os"`
		Arch       string `json:"arch"`
		CPUs       int    `json:"cpus"`
		GOMAXPROCS int    `json:"gomaxprocs"`
	} `json:"host"`
}

// Units are those of the values in other tools' files, in nanoseconds.
type Units struct {
	Hlog, Hgrm time.Duration
}

// DefaultUnits are what most tools write: nanoseconds in logs, milliseconds in
// percentile files.
func DefaultUnits() Units { return Units{time.Nanosecond, time.Millisecond} }

// Open opens what a path stands for: a run directory, a directory that holds
// run directories, each of which is opened, or an .hlog or .hgrm file.
func Open(path string, units Units) ([]*Run, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, missingSummary(path)
	case !info.IsDir():
		r, err := openForeign(path, units)
		if err != nil {
			return nil, err
		}
		return []*Run{r}, nil
	}
	paths := []string{path}
	if !isRunDir(path) {
		if inner := runDirs(path); len(inner) > 0 {
			paths = inner
		}
	}
	var out []*Run
	for _, p := range paths {
		r, err := openDir(p)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func isRunDir(path string) bool {
	return exists(filepath.Join(path, FileSummary)) || exists(filepath.Join(path, FileRun))
}

// runDirs lists the run directories right below a directory.
func runDirs(path string) []string {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if p := filepath.Join(path, e.Name()); e.IsDir() && isRunDir(p) {
			out = append(out, p)
		}
	}
	return out
}

func openDir(path string) (*Run, error) {
	r := &Run{Path: path, header: readHeader(path), settings: readSettings(path), scale: 1}
	var err error
	if r.Summary, err = Load(path); err != nil {
		return nil, err
	}
	switch s := r.Summary; s.Verdict {
	case Partial:
		r.Partial = strings.Join(s.Reasons, "; ")
	case Interrupted, Unreachable, Errored:
		r.Partial = "broke off: " + string(s.Verdict)
	}
	return r, nil
}

// readHeader reads run.json, which a killed run may not have got to write.
func readHeader(dir string) *header {
	data, err := os.ReadFile(filepath.Join(dir, FileRun))
	if err != nil {
		return nil
	}
	var h header
	if json.Unmarshal(data, &h) != nil {
		return nil
	}
	return &h
}

// readSettings reads the resolved scenario; nil where there is none, or no whole one.
func readSettings(dir string) map[string]string {
	data, err := os.ReadFile(filepath.Join(dir, FileResolved))
	if err != nil {
		return nil
	}
	var root map[string]any
	if yaml.Unmarshal(data, &root) != nil || root == nil {
		return nil
	}
	out := map[string]string{}
	flatten(out, "", root)
	return out
}

func flatten(out map[string]string, path string, v any) {
	join := func(key string) string {
		if path == "" {
			return key
		}
		return path + "." + key
	}
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			flatten(out, join(k), inner)
		}
	case []any:
		for i, inner := range v {
			flatten(out, join(fmt.Sprint(i)), inner)
		}
	default:
		out[path] = fmt.Sprint(v)
	}
}

// timeline reads the run's interval log. A run without one is an error.
func (r *Run) timeline() (*timeline, error) {
	if r.lines != nil {
		return r.lines, nil
	}
	path := r.Path
	if !r.Foreign {
		path = filepath.Join(path, FileHlog)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the interval log: %w", err)
	}
	defer f.Close()
	t := newTimeline()
	info, err := hdr.ReadLog(f, func(e hdr.LogEntry) error {
		t.add(logKey(e.Tag), e.Start, e.Histogram, r.scale)
		return nil
	})
	if err != nil && r.Partial == "" { // of a run that was cut off, what stands before it counts
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	t.torn = info.Torn
	r.lines = t
	return t, nil
}

// logKey names the hop of a log's entry; other tools may not tag theirs.
func logKey(tag string) string {
	if tag == "" {
		return "latency"
	}
	return tag
}

// OpenAll opens what several paths stand for, in their order.
func OpenAll(paths []string, units Units) ([]*Run, error) {
	var out []*Run
	for _, p := range paths {
		runs, err := Open(p, units)
		if err != nil {
			return nil, err
		}
		out = append(out, runs...)
	}
	return out, nil
}
