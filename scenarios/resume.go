package scenarios

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kload/kload"
	"github.com/kload/kload/replay"
	"github.com/kload/kload/results"
)

// checkpoints is the file that says how far the replays of a run have come,
// written every second and at the end.
type checkpoints struct {
	Schema string                       `json:"schema"`
	Load   map[string]replay.Checkpoint `json:"load"`
}

const checkpointSchema = "kload/checkpoint/v1"

// replayed returns the source of a load that replays recorded data, else nil.
func (l *loadRun) replayed() *replay.Source {
	s, _ := l.source.(*replay.Source)
	return s
}

// resumeAt returns where a load goes on, nil for the start.
func (r *run) resumeAt(l *loadRun) *replay.Checkpoint {
	if c, ok := r.scenario.resume[l.plan.name]; ok {
		return &c
	}
	return nil
}

// checkpoint writes how far the run's replays have come. A disk that cannot take
// it is noted once.
func (r *run) checkpoint() {
	c := checkpoints{Schema: checkpointSchema, Load: map[string]replay.Checkpoint{}}
	for _, l := range r.loads {
		if s := l.replayed(); s != nil {
			c.Load[l.plan.name] = s.Checkpoint()
		}
	}
	if len(c.Load) == 0 {
		return
	}
	if err := r.dir.WriteJSON(results.FileCheckpoint, c); err != nil && !r.complained {
		r.complained = true
		r.note("%v", err)
	}
}

// openResumed opens the scenario of an earlier run to go on where that one ended.
// The notes say where that is.
func openResumed(dir string, o OpenOptions) (*Scenario, []string, error) {
	src, err := readFile(filepath.Join(dir, results.FileResolved))
	if err != nil {
		return nil, nil, kload.WithHint(fmt.Errorf("%w: resuming: %w", kload.ErrInvalid, err), "name the directory of a run, such as one below kload-results")
	}
	points, err := readCheckpoints(dir)
	if err != nil {
		return nil, nil, err
	}
	s, err := decode(filepath.Join(dir, results.FileResolved), src, o)
	if err != nil {
		return nil, nil, err
	}
	if s.Spec.Target.Kind == "aws" && s.Spec.Stream.Create { // it is there, and what is in it must stay
		s.Spec.Stream.Create = false
	}
	s.resume = points.Load
	var notes []string
	replays := 0
	for name, l := range s.Spec.Load.All() {
		if l.Source.Kind != "replay" {
			continue
		}
		replays++
		notes = append(notes, resumeNote(name, points.Load[name]))
	}
	if replays == 0 {
		return nil, nil, kload.WithHint(fmt.Errorf("%w: resuming: %s replays no recorded data", kload.ErrInvalid, dir), "only loads with source: {replay: …} can be resumed")
	}
	return s, notes, nil
}

// readCheckpoints returns none for a run that ended before it wrote any.
func readCheckpoints(dir string) (checkpoints, error) {
	var c checkpoints
	text, err := os.ReadFile(filepath.Join(dir, results.FileCheckpoint))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err == nil && c.Schema != checkpointSchema {
		err = fmt.Errorf("it has the schema %q, not %q", c.Schema, checkpointSchema)
	}
	if err != nil {
		return c, kload.WithHint(fmt.Errorf("%w: reading checkpoints of %s: %w", kload.ErrInvalid, dir, err), "start a new replay with --seek instead")
	}
	return c, nil
}

func resumeNote(load string, c replay.Checkpoint) string {
	if c.Acked == 0 && c.Taken == 0 {
		return fmt.Sprintf("load %s starts over: nothing of it was acknowledged at the last checkpoint", load)
	}
	where := c.Object
	if where == "" {
		where = fmt.Sprintf("pass %d", c.Pass+1)
	}
	return fmt.Sprintf("load %s goes on after row %d (%s, source time %s): up to %d rows that were under way at the last checkpoint, and what followed it, are sent again",
		load, c.Acked, where, c.Source, c.Taken-c.Acked)
}
