package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"github.com/pierrec/lz4/v4"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kload/kload/internal/hdr"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kload": main})
}

// TestScripts runs testdata/script/*.txtar: what a user types and what comes
// back. The commands beyond testscript's own are those of the map.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                filepath.Join("testdata", "script"),
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true") // it is not on loopback
			env.Setenv("GORACE", "atexit_sleep_ms=0")       // the race detector's second at the end of every process
			env.Values[jobsKey{}] = &jobs{env: env.Vars, byName: map[string]*job{}}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "holds": holds, "intact": intact, "damaged": damaged,
			"start": start, "await": await, "signal": signalJob, "ended": ended, "gone": gone,
			"deaf": deaf, "asked": asked, "endpoint": endpoint, "fetch": fetch, "appears": appears,
			"serves": serves, "streams": streams,
		},
	})
}

// exits runs a command that must end with exactly this code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("%s ended with exit code %d, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// holds checks conditions on a file that is one JSON document and nothing else:
// holds FILE|stdout EXPR...
func holds(ts *testscript.TestScript, _ bool, args []string) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	var doc any
	ts.Check(dec.Decode(&doc))
	if _, err := dec.Token(); err != io.EOF {
		ts.Fatalf("%s goes on after one JSON document", args[0])
	}
	env, ok := doc.(map[string]any)
	if !ok {
		env = map[string]any{"doc": doc}
	}
	for _, src := range args[1:] {
		if got, err := expr.Eval(src, env); err != nil || got != true {
			ts.Fatalf("%s: %s is %v (%v)", args[0], src, got, err)
		}
	}
}

// intact checks what a killed run leaves behind: intact RUN-DIR
func intact(ts *testscript.TestScript, _ bool, args []string) {
	read := func(name string) []byte { return []byte(ts.ReadFile(filepath.Join(args[0], name))) }
	if !json.Valid(read("run.json")) {
		ts.Fatalf("run.json is no JSON document")
	}
	for line := range bytes.Lines(read("series.ndjson")) {
		if !json.Valid(line) {
			ts.Fatalf("series.ndjson has the line %q", line)
		}
	}
	var values int64
	_, err := hdr.ReadLog(bytes.NewReader(read("latency.hlog")), func(e hdr.LogEntry) error {
		values += e.Histogram.TotalCount()
		return nil
	})
	ts.Check(err)
	if values == 0 {
		ts.Fatalf("latency.hlog has no values")
	}
}

// damaged writes lines compressed as lz4, with one wrong byte in the second half:
// damaged COUNT LINE FILE
func damaged(ts *testscript.TestScript, _ bool, args []string) {
	count, err := strconv.Atoi(args[0])
	ts.Check(err)
	var file bytes.Buffer
	w := lz4.NewWriter(&file)
	for i := range count {
		fmt.Fprintf(w, args[1]+"\n", i)
	}
	ts.Check(w.Close())
	file.Bytes()[file.Len()*3/4] ^= 0x55
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), file.Bytes(), 0o600))
}
