package results

import "path/filepath"

// ABSchema identifies the format of ab.json.
const ABSchema = "kload/ab/v1"

// FileAB lists the runs of two scenarios set against each other, beside their
// directories.
const FileAB = "ab.json"

// AB is two scenarios run in turn, the content of ab.json.
type AB struct {
	Schema      string  `json:"schema"`
	A           string  `json:"a"` // names of the scenarios
	B           string  `json:"b"`
	Planned     int     `json:"planned"`               // runs of each
	Interrupted bool    `json:"interrupted,omitempty"` // runs are missing
	Runs        []ABRun `json:"runs"`                  // in the order in which they ran
}

// ABRun is one of the runs.
type ABRun struct {
	Side     string   `json:"side"` // a or b
	Dir      string   `json:"dir"`  // below that of the whole
	Verdict  Verdict  `json:"verdict"`
	ExitCode int      `json:"exit_code"`
	Reasons  []string `json:"reasons,omitempty"`
}

// NewAB returns the result of a series that has not begun.
func NewAB(a, b string, planned int) *AB {
	return &AB{Schema: ABSchema, A: a, B: b, Planned: planned, Runs: []ABRun{}}
}

// Dirs returns the run directories of one side that came to their end, given where
// the whole is.
func (r *AB) Dirs(side, parent string) []string {
	var out []string
	for _, run := range r.Runs {
		if run.Side == side && run.Verdict != Interrupted && run.Verdict != Errored && run.Verdict != Unreachable {
			out = append(out, filepath.Join(parent, run.Dir))
		}
	}
	return out
}

// Failed returns the first run that did not pass, nil if all did.
func (r *AB) Failed() *ABRun {
	for i := range r.Runs {
		if r.Runs[i].ExitCode != 0 {
			return &r.Runs[i]
		}
	}
	return nil
}
